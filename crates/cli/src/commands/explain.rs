//! `explain CODE`: what `docs/errors.md` says of it.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use splashtail_api_types::Code;

use super::output;

#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The `code` of an error answer; all of them when it is left out.
    code: Option<String>,
}

/// # Errors
/// There is no such code, or stdout cannot be written.
pub fn run(args: &ExplainArgs) -> Result<ExitCode> {
    output::print(&text(args.code.as_deref())?)?;
    Ok(ExitCode::SUCCESS)
}

fn text(code: Option<&str>) -> Result<String> {
    let Some(asked) = code else {
        let lines = Code::ALL
            .iter()
            .map(|code| format!("{:<28}  {}\n", code.as_str(), code.what()));
        return Ok(lines.collect());
    };
    let Some(code) = Code::find(asked.trim()) else {
        let mut message = format!("there is no code {asked:?}");
        let like: Vec<_> = Code::like(asked).map(Code::as_str).collect();
        if !like.is_empty() {
            // Writing to text does not fail.
            let _ = write!(message, "; did you mean {}?", like.join(", "));
        }
        bail!("{message}; `splashtail explain` lists all");
    };
    Ok(format!(
        "{} (status {})\n{}\n{}\n",
        code.as_str(),
        code.status(),
        code.what(),
        code.remedy()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_explained_and_a_wrong_one_leads_on() {
        let said = text(Some("rate_limited")).unwrap();
        assert!(
            said.contains("429") && said.contains("Retry-After"),
            "{said}"
        );
        let wrong = text(Some("rate")).unwrap_err().to_string();
        assert!(wrong.contains("rate_limited"), "{wrong}");
        assert_eq!(text(None).unwrap().lines().count(), Code::ALL.len());
    }
}
