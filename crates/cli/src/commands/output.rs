//! What commands say on stdout. A reader that has seen enough, as `head` does, is no failure.

use std::io::{self, ErrorKind, Write};

/// # Errors
/// Stdout cannot be written (a full disk); not that nobody reads it any more.
pub fn print(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), text).map(drop)
}

/// Whether somebody still reads.
///
/// # Errors
/// As [`print`].
pub fn write(out: &mut impl Write, text: &str) -> io::Result<bool> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_reader_that_went_away_is_no_failure() {
        assert!(write(&mut Vec::new(), "x").unwrap());
        assert!(!write(&mut Broken(ErrorKind::BrokenPipe), "x").unwrap());
        assert!(write(&mut Broken(ErrorKind::StorageFull), "x").is_err());
    }
}
