use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use splashtail_core::ids::{GuildId, TaskId, UserId};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query as Prepared;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use uuid::Uuid;

/// A statement and its values, `$1` first.
#[derive(Debug)]
pub struct Query {
    sql: Sql,
    values: Vec<Value>,
}

/// The text of a statement. Most are understood by both databases.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self {
            sqlite: text,
            postgres: text,
        }
    }
}

pub fn query(sql: impl Into<Sql>) -> Query {
    Query {
        sql: sql.into(),
        values: Vec::new(),
    }
}

impl Query {
    /// The next value.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Times are milliseconds, UUIDs are hyphenated text.
    pub fn sqlite(&self) -> Prepared<'static, Sqlite, SqliteArguments> {
        let statement = sqlx::query(self.sql.sqlite);
        self.values
            .iter()
            .fold(statement, |statement, value| match value {
                Value::Bool(value) => statement.bind(*value),
                Value::Int(value) => statement.bind(*value),
                Value::Long(value) => statement.bind(*value),
                Value::Text(value) => statement.bind(value.clone()),
                Value::Bytes(value) => statement.bind(value.clone()),
                Value::Uuid(value) => statement.bind(value.map(Uuid::hyphenated)),
                Value::Time(value) => statement.bind(value.map(|at| at.timestamp_millis())),
            })
    }

    /// Times are cut to the millisecond, like in the other database.
    pub fn postgres(&self) -> Prepared<'static, Postgres, PgArguments> {
        let statement = sqlx::query(self.sql.postgres);
        self.values
            .iter()
            .fold(statement, |statement, value| match value {
                Value::Bool(value) => statement.bind(*value),
                Value::Int(value) => statement.bind(*value),
                Value::Long(value) => statement.bind(*value),
                Value::Text(value) => statement.bind(value.clone()),
                Value::Bytes(value) => statement.bind(value.clone()),
                Value::Uuid(value) => statement.bind(*value),
                Value::Time(value) => statement.bind(value.map(|at| at.trunc_subsecs(3))),
            })
    }
}

/// What a column can hold; `None` is NULL, which has a type too.
#[derive(Debug)]
pub enum Value {
    Bool(Option<bool>),
    Int(Option<i32>),
    Long(Option<i64>),
    Text(Option<Arc<str>>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
    Time(Option<DateTime<Utc>>),
}

/// PostgreSQL's text has no NUL and refuses the whole statement; SQLite's own functions end at one. Names
/// that people give may hold some, so they are left out here, of whatever is written or looked for. In
/// JSON they are escaped, and stay.
fn text(given: &str) -> Arc<str> {
    if given.contains('\0') {
        return given.replace('\0', "").into();
    }
    given.into()
}

/// `Type => Variant: conversion`, for the type itself and for an optional one.
macro_rules! values {
    ($($given:ty => $variant:ident: $convert:expr,)+) => {
        $(impl From<$given> for Value {
            fn from(value: $given) -> Self {
                Self::$variant(Some($convert(value)))
            }
        }

        impl From<Option<$given>> for Value {
            fn from(value: Option<$given>) -> Self {
                Self::$variant(value.map($convert))
            }
        })+
    };
}

values! {
    bool => Bool: std::convert::identity,
    i32 => Int: std::convert::identity,
    i64 => Long: std::convert::identity,
    u32 => Long: i64::from,
    &str => Text: text,
    &String => Text: |given: &String| text(given),
    String => Text: |given: String| text(&given),
    &[u8] => Bytes: <[u8]>::to_vec,
    &Vec<u8> => Bytes: Vec::clone,
    Uuid => Uuid: std::convert::identity,
    TaskId => Uuid: TaskId::get,
    DateTime<Utc> => Time: std::convert::identity,
    GuildId => Long: GuildId::to_db,
    UserId => Long: UserId::to_db,
}
