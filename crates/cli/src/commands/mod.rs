//! One file per subcommand of `splashtail`.
