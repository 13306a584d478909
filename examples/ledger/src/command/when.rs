//! Moments as people write them.
use std::time::{Duration, SystemTime};

use clawnet_core::Timestamp;

use crate::stop::Stop;

/// `2026-03-02`, `2026-03-02T09:30`, `2026-03-02T09:30:15.250Z`, all of them UTC, or `90m`, `12h`,
/// `7d` ago.
pub(super) fn moment(option: &str, text: &str) -> Result<Timestamp, Stop> {
    ago(text).or_else(|| absolute(text)).ok_or_else(|| {
        let forms = "a moment is like `2026-03-02`, `2026-03-02T09:30` (UTC) or `12h` ago";
        Stop::usage(format!("--{option}: `{text}`: {forms}"))
    })
}

fn ago(text: &str) -> Option<Timestamp> {
    let (number, seconds) = [('m', 60), ('h', 3600), ('d', 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    SystemTime::now().checked_sub(Duration::from_secs(seconds)).map(Timestamp::from)
}

fn absolute(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let sane = parts.next().is_none() && (1970..10_000).contains(&year);
    let sane = sane && (1..=12).contains(&month) && (1..=31).contains(&day);
    let (clock, millis) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let millis: u64 =
        if millis.len() <= 3 { format!("{millis:0<3}").parse().ok()? } else { return None };
    if !sane || parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let at = Timestamp::from_millis(seconds * 1000 + millis);
    // 30 February would be a day in March.
    at.to_string().starts_with(&format!("{year:04}-{month:02}-{day:02}")).then_some(at)
}

/// Days since 1970: years that begin in March, so that the leap day comes last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_what_they_print() {
        for text in ["1970-01-01", "2000-02-29", "2024-12-31", "2026-03-02", "2100-03-01"] {
            let at = absolute(text).unwrap().to_string();
            assert_eq!(at, format!("{text}T00:00:00.000Z"));
        }
        let check = |text: &str, expect: &str| {
            assert_eq!(absolute(text).unwrap().to_string(), expect, "{text}");
        };
        check("2026-03-02T09:30", "2026-03-02T09:30:00.000Z");
        check("2026-03-02 09:30:15.25Z", "2026-03-02T09:30:15.250Z");
        for wrong in
            ["2026-02-30", "2026-13-01", "2026-3", "1969-12-31", "09:30", "2026-03-02T25:00", ""]
        {
            assert!(absolute(wrong).is_none() && ago(wrong).is_none(), "{wrong}");
        }
        assert!(ago("12h").is_some() && ago("h").is_none());
    }
}
