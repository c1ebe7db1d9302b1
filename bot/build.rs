//! Tells the `stats` command from what it was built. Nothing here may fail: a source archive has
//! no git history.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=SPLASHTAIL_COMMIT");
    println!("cargo:rerun-if-changed=../.git/HEAD");

    let commit = std::env::var("SPLASHTAIL_COMMIT")
        .ok()
        .or_else(|| output("git", &["rev-parse", "HEAD"]));
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    for (key, value) in [
        ("COMMIT", commit),
        (
            "COMMIT_MESSAGE",
            output("git", &["log", "-1", "--format=%s"]),
        ),
        ("RUSTC", output(&rustc, &["--version"])),
        ("BUILT_ON", output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("TARGET", std::env::var("TARGET").ok()),
        ("PROFILE", std::env::var("PROFILE").ok()),
    ] {
        println!(
            "cargo:rustc-env=SPLASHTAIL_BUILD_{key}={}",
            value.as_deref().unwrap_or("unknown")
        );
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
