//! Times as PostgreSQL has them, whose range is wider than that of what can be told: `infinity`, years before Christ, years
//! of six digits. The tables refuse them (`migrations/0018_growth.sql`); where a row holds one all the same, the nearest time
//! that can be told is read, so that one row never takes a list away.

use chrono::{DateTime, Utc};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Type, ValueRef};

/// 2000-01-01, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;
/// The first moment of the year 1, and the last of the year 9999.
const EARLIEST: i64 = -62_135_596_800_000_000;
const LATEST: i64 = 253_402_300_799_999_999;

/// A time of a column that always has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredTime(DateTime<Utc>);

/// A time of a column that may have none.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaybeTime(Option<DateTime<Utc>>);

/// From microseconds since 2000.
fn told(micros: i64) -> DateTime<Utc> {
    let micros = micros.saturating_add(EPOCH).clamp(EARLIEST, LATEST);
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

impl Type<Postgres> for StoredTime {
    fn type_info() -> PgTypeInfo {
        <DateTime<Utc> as Type<Postgres>>::type_info()
    }
}

impl Type<Postgres> for MaybeTime {
    fn type_info() -> PgTypeInfo {
        <DateTime<Utc> as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for StoredTime {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<Postgres>>::decode(value).map(told).map(Self)
    }
}

impl<'r> Decode<'r, Postgres> for MaybeTime {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() {
            return Ok(Self(None));
        }
        StoredTime::decode(value).map(|StoredTime(time)| Self(Some(time)))
    }
}

impl From<StoredTime> for DateTime<Utc> {
    fn from(StoredTime(time): StoredTime) -> Self {
        time
    }
}

impl From<MaybeTime> for Option<DateTime<Utc>> {
    fn from(MaybeTime(time): MaybeTime) -> Self {
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_is_read_as_the_nearest_that_can() {
        let table = [
            (i64::MAX, "9999-12-31T23:59:59.999999Z"),
            (i64::MIN, "0001-01-01T00:00:00Z"),
            (LATEST - EPOCH, "9999-12-31T23:59:59.999999Z"),
            (LATEST - EPOCH + 1, "9999-12-31T23:59:59.999999Z"),
            (EARLIEST - EPOCH - 1, "0001-01-01T00:00:00Z"),
            (0, "2000-01-01T00:00:00Z"),
            (-1, "1999-12-31T23:59:59.999999Z"),
        ];
        for (micros, expected) in table {
            assert_eq!(told(micros).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true), expected, "{micros}");
        }
    }
}
