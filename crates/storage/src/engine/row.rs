use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::error::StorageError;

/// A row of either database.
pub enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// Columns are read by name. Whatever does not fit is corruption.
impl Row {
    pub fn get<T: Stored>(&self, column: &str) -> Result<T, StorageError> {
        match self {
            Self::Sqlite(row) => T::from_sqlite(row, column),
            Self::Postgres(row) => T::from_postgres(row, column),
        }
    }

    /// From a type's text form.
    pub fn parsed<T>(&self, column: &str) -> Result<T, StorageError>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let text: String = self.get(column)?;
        text.parse().map_err(StorageError::corrupt)
    }

    pub fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StorageError> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(StorageError::corrupt)
    }

    pub fn maybe_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StorageError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(StorageError::corrupt)
    }
}

/// A type that a column of either database can be read as.
pub trait Stored: Sized {
    fn from_sqlite(row: &SqliteRow, column: &str) -> Result<Self, StorageError>;
    fn from_postgres(row: &PgRow, column: &str) -> Result<Self, StorageError>;
}

/// Types that sqlx reads alike from both.
macro_rules! plain {
    ($($kind:ty),+ $(,)?) => {
        $(impl Stored for $kind {
            fn from_sqlite(row: &SqliteRow, column: &str) -> Result<Self, StorageError> {
                Ok(row.try_get(column)?)
            }

            fn from_postgres(row: &PgRow, column: &str) -> Result<Self, StorageError> {
                Ok(row.try_get(column)?)
            }
        })+
    };
}

plain!(bool, i32, i64, String, Vec<u8>);
plain!(
    Option<bool>,
    Option<i32>,
    Option<i64>,
    Option<String>,
    Option<Vec<u8>>,
);

impl Stored for Uuid {
    fn from_sqlite(row: &SqliteRow, column: &str) -> Result<Self, StorageError> {
        Ok(row.try_get::<Hyphenated, _>(column)?.into_uuid())
    }

    fn from_postgres(row: &PgRow, column: &str) -> Result<Self, StorageError> {
        Ok(row.try_get(column)?)
    }
}

impl Stored for Option<Uuid> {
    fn from_sqlite(row: &SqliteRow, column: &str) -> Result<Self, StorageError> {
        let id = row.try_get::<Option<Hyphenated>, _>(column)?;
        Ok(id.map(Hyphenated::into_uuid))
    }

    fn from_postgres(row: &PgRow, column: &str) -> Result<Self, StorageError> {
        Ok(row.try_get(column)?)
    }
}

impl Stored for Option<TaskId> {
    fn from_sqlite(row: &SqliteRow, column: &str) -> Result<Self, StorageError> {
        let id = row.try_get::<Option<Hyphenated>, _>(column)?;
        Ok(id.map(|id| TaskId(id.into_uuid())))
    }

    fn from_postgres(row: &PgRow, column: &str) -> Result<Self, StorageError> {
        Ok(row.try_get::<Option<Uuid>, _>(column)?.map(TaskId))
    }
}

impl Stored for Option<DateTime<Utc>> {
    fn from_sqlite(row: &SqliteRow, column: &str) -> Result<Self, StorageError> {
        let at = |ms: i64| {
            DateTime::from_timestamp_millis(ms)
                .ok_or_else(|| StorageError::corrupt(format!("{ms} is no time")))
        };
        row.try_get::<Option<i64>, _>(column)?.map(at).transpose()
    }

    fn from_postgres(row: &PgRow, column: &str) -> Result<Self, StorageError> {
        Ok(row.try_get(column)?)
    }
}

/// Types that are made from another one.
macro_rules! made {
    ($($kind:ty: $make:expr,)+) => {
        $(impl Stored for $kind {
            fn from_sqlite(row: &SqliteRow, column: &str) -> Result<Self, StorageError> {
                $make(Stored::from_sqlite(row, column)?, column)
            }

            fn from_postgres(row: &PgRow, column: &str) -> Result<Self, StorageError> {
                $make(Stored::from_postgres(row, column)?, column)
            }
        })+
    };
}

made! {
    DateTime<Utc>: |at: Option<Self>, column| {
        at.ok_or_else(|| StorageError::corrupt(format!("{column} is NULL")))
    },
    TaskId: |id, _| Ok(TaskId(id)),
    GuildId: |id, _| GuildId::from_db(id).map_err(StorageError::corrupt),
    UserId: |id, _| UserId::from_db(id).map_err(StorageError::corrupt),
    Option<GuildId>: |id: Option<i64>, _| {
        id.map(GuildId::from_db).transpose().map_err(StorageError::corrupt)
    },
    Option<UserId>: |id: Option<i64>, _| {
        id.map(UserId::from_db).transpose().map_err(StorageError::corrupt)
    },
}
