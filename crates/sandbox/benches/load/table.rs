//! The table at the end.

/// One measured thing.
pub struct Row {
    pub what: String,
    /// By the clock on the wall.
    pub rate: String,
    /// By the sandbox's own processor time.
    pub per_core: String,
    /// Bytes of an answer or event.
    pub bytes: String,
    /// What a bare server reaches with as many bytes, and the part of it reached here.
    pub peer: String,
    pub budget: &'static str,
}

impl Row {
    /// A rate beside that of a bare server.
    pub fn rate(what: &str, own: Rate, bare: Rate, bytes: usize, budget: &'static str) -> Self {
        Self {
            what: what.to_owned(),
            rate: format!("{:.0}/s", own.wall),
            per_core: format!("{:.0}/s", own.core),
            bytes: bytes.to_string(),
            peer: format!("{:.0}/s, {:.0} %", bare.core, 100.0 * own.core / bare.core),
            budget,
        }
    }

    /// Tells whoever waits that this is done.
    pub fn announce(&self) {
        let Self {
            what,
            per_core,
            peer,
            ..
        } = self;
        eprintln!("{what}: {per_core} ({peer})");
    }
}

/// Things done per second of the wall clock and per second of processor time.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    pub wall: f64,
    pub core: f64,
}

pub fn print(rows: &[Row]) {
    println!(
        "\n| Sandbox on one core | wall clock | per CPU second | bytes | bare server, ratio | Budget |"
    );
    println!("|---|---|---|---|---|---|");
    for row in rows {
        let Row {
            what,
            rate,
            per_core,
            bytes,
            peer,
            budget,
        } = row;
        println!("| {what} | {rate} | {per_core} | {bytes} | {peer} | {budget} |");
    }
}
