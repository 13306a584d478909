//! Times and durations as people write them: `90s`, `2h`, or milliseconds as a number.
use std::time::Duration;

use clawnet_core::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};

/// So many milliseconds: a duration, or a moment counted from the world's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    pub(super) fn as_timestamp(self) -> Timestamp {
        Timestamp::from_millis(self.0)
    }

    fn parse(text: &str) -> Option<Self> {
        let unit = text.find(|c: char| !c.is_ascii_digit())?;
        let (count, unit) = text.split_at(unit);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        count.parse::<u64>().ok()?.checked_mul(millis).map(Self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a time is milliseconds, or a text such as `90s` or `2h`")]
        enum Written {
            Millis(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Millis(millis) => Ok(Self(millis)),
            Written::Text(text) => Self::parse(&text).ok_or_else(|| {
                D::Error::custom(format!("`{text}` is no time: write `500ms`, `90s`, `2h` or `1d`"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_anything_else_is_refused() {
        let check = |text: &str, millis: Option<u64>| {
            assert_eq!(Moment::parse(text), millis.map(Moment), "{text}");
        };
        check("500ms", Some(500));
        check("90s", Some(90_000));
        check("1d", Some(86_400_000));
        check("2 h", None);
        check("h", None);
        check("1.5h", None);
        check("99999999999999999d", None);
    }
}
