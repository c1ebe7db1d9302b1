//! How much memory a large file takes, written and read: `cargo bench -p splashtail-iblfile`, with the
//! size in megabytes behind `--`, 512 without it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use chrono::DateTime;
use splashtail_iblfile::{Archive, DerivedKey, Encryption, FileType, Limits, Meta, Writer};

const SECTION: u64 = 8 << 20;
/// Of all that the process ever held, whatever the size; kilobytes.
const MOST: u64 = 200 << 10;

fn main() {
    println!("\n| Backup files | time | peak memory |\n|---|---|---|");
    let sizes = std::env::args().skip(1);
    let megabytes = sizes.filter_map(|size| size.parse().ok()).next();
    let megabytes: u64 = megabytes.unwrap_or(512);
    let file = std::env::temp_dir().join(format!("splashtail-bench-{}", std::process::id()));
    let limits = Limits::with_total((megabytes * 2) << 20);
    // The key derivation alone takes 64 MiB.
    let key = DerivedKey::derive("correct horse", *b"saltsalt");
    let began = Instant::now();
    let target = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&file)
        .unwrap();
    let mut writer = Writer::new(target, limits).unwrap();
    for number in 0..(megabytes << 20) / SECTION {
        let data = Noise(number + 1).take(SECTION);
        writer
            .add_reader(&format!("attachments/{number}"), data)
            .unwrap();
    }
    let meta = Meta::new(FileType::SERVER_BACKUP, DateTime::UNIX_EPOCH);
    writer.finish(&meta, &Encryption::Aes256(key)).unwrap();
    tell("written", megabytes, began);
    let began = Instant::now();
    let source = BufReader::new(File::open(&file).unwrap());
    let mut archive = Archive::open(source, Some("correct horse"), limits).unwrap();
    let mut read = 0;
    for section in archive.sections() {
        let mut section = archive.section(&section.name).unwrap();
        read += std::io::copy(&mut section, &mut std::io::sink()).unwrap();
    }
    assert!(read >= megabytes << 20);
    tell("read", megabytes, began);
    std::fs::remove_file(file).unwrap();
}

fn tell(what: &str, megabytes: u64, began: Instant) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let seconds = began.elapsed().as_secs_f64();
    let peak = peak.unwrap_or_default().trim();
    println!("| {megabytes} MB encrypted, {what} | {seconds:.1} s | {peak} |");
    let kilobytes = peak.trim_end_matches(" kB").parse::<u64>().unwrap();
    assert!(kilobytes <= MOST, "{what}: {peak} are more than {MOST} kB");
}

/// Bytes that do not repeat, from a number.
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for byte in &mut *buffer {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = self.0 as u8;
        }
        Ok(buffer.len())
    }
}
