//! What a link's two ends say to each other: each a binary message that begins with its kind.
use tokio_tungstenite::tungstenite::Bytes;

use super::limits::HELLO_BYTES_MAX;
use crate::transport::FRAME_BYTES_MAX;

/// How long the greatest message is.
pub(super) const MESSAGE_BYTES_MAX: usize = FRAME_BYTES_MAX + FRAME_HEAD_BYTES;
const FRAME_HEAD_BYTES: usize = 17;

/// One message. Numbers are big-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// Who is here: canonical JSON.
    Hello(Bytes),
    /// For whom else: canonical JSON.
    Claim(Bytes),
    /// From where the frames go on.
    Join(Join),
    /// A frame, and how many of the other side's were taken.
    Frame {
        /// Counted from 1, over all connections of a session.
        number: u64,
        /// Up to which number the sender of this one has taken the other side's.
        taken: u64,
        /// What is carried.
        payload: Bytes,
    },
    /// How many of the other side's frames were taken.
    Taken(u64),
}

/// What each side says of the session before frames flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Join {
    /// Which connection this is, counted by the side that decides.
    pub(super) generation: u64,
    /// The first number this side can still send.
    pub(super) first: u64,
    /// What this side has of the other's frames, if it knows the session.
    pub(super) has: Option<Has>,
}

/// How far the other side's frames have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Has {
    /// The last that arrived.
    pub(super) received: u64,
    /// The last that was given to the host.
    pub(super) taken: u64,
}

impl Message {
    pub(super) fn encode(&self) -> Bytes {
        let numbers = |kind: u8, numbers: &[u64], rest: &[u8]| {
            let mut out = Vec::with_capacity(1 + numbers.len() * 8 + rest.len());
            out.push(kind);
            out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
            out.extend_from_slice(rest);
            Bytes::from(out)
        };
        match self {
            Self::Hello(json) => numbers(1, &[], json),
            Self::Claim(json) => numbers(2, &[], json),
            Self::Join(Join { generation, first, has: None }) => {
                numbers(3, &[*generation, *first], &[])
            }
            Self::Join(Join { generation, first, has: Some(has) }) => {
                numbers(3, &[*generation, *first, has.received, has.taken], &[])
            }
            Self::Frame { number, taken, payload } => numbers(4, &[*number, *taken], payload),
            Self::Taken(taken) => numbers(5, &[*taken], &[]),
        }
    }

    /// Reads exactly what [`Message::encode`] writes.
    pub(super) fn decode(message: &Bytes) -> Result<Self, NotAMessage> {
        let (kind, mut rest) = message.split_first().ok_or(NotAMessage::Malformed)?;
        let mut number = || {
            let (first, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(u64::from_be_bytes(*first))
        };
        let decoded = match kind {
            1 | 2 => {
                let json = message.slice(1..);
                if json.len() > HELLO_BYTES_MAX {
                    return Err(NotAMessage::TooLarge);
                }
                return Ok(if *kind == 1 { Self::Hello(json) } else { Self::Claim(json) });
            }
            3 => {
                let (generation, first) = number().zip(number()).ok_or(NotAMessage::Malformed)?;
                let has = number().map(|received| number().map(|taken| Has { received, taken }));
                let has = has.map(|has| has.ok_or(NotAMessage::Malformed)).transpose()?;
                Self::Join(Join { generation, first, has })
            }
            4 => {
                let (number, taken) = number().zip(number()).ok_or(NotAMessage::Malformed)?;
                let payload = message.slice(FRAME_HEAD_BYTES.min(message.len())..);
                if payload.len() > FRAME_BYTES_MAX {
                    return Err(NotAMessage::TooLarge);
                }
                return Ok(Self::Frame { number, taken, payload });
            }
            5 => Self::Taken(number().ok_or(NotAMessage::Malformed)?),
            _ => return Err(NotAMessage::Malformed),
        };
        if rest.is_empty() { Ok(decoded) } else { Err(NotAMessage::Malformed) }
    }
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAMessage {
    Malformed,
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_one_form() {
        let has = Some(Has { received: 9, taken: 7 });
        let all = [
            Message::Hello(Bytes::from_static(b"{}")),
            Message::Claim(Bytes::new()),
            Message::Join(Join { generation: 1, first: 2, has: None }),
            Message::Join(Join { generation: u64::MAX, first: 2, has }),
            Message::Frame { number: 3, taken: 4, payload: Bytes::from_static(b"text") },
            Message::Frame { number: 3, taken: 4, payload: Bytes::new() },
            Message::Taken(5),
        ];
        for message in all {
            let encoded = message.encode();
            assert_eq!(Message::decode(&encoded), Ok(message.clone()));
            for end in 0..encoded.len() {
                let cut = Message::decode(&encoded.slice(..end));
                assert_ne!(cut, Ok(message.clone()), "{end}");
            }
            let longer = Bytes::from([&encoded[..], &[0]].concat());
            assert_ne!(Message::decode(&longer), Ok(message));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let check = |bytes: Vec<u8>, expect| {
            assert_eq!(Message::decode(&Bytes::from(bytes)), Err(expect));
        };
        check(vec![], NotAMessage::Malformed);
        check(vec![0], NotAMessage::Malformed);
        check(vec![6, 0], NotAMessage::Malformed);
        check(vec![3; 16], NotAMessage::Malformed);
        check(vec![3; 26], NotAMessage::Malformed);
        check(vec![3; 40], NotAMessage::Malformed);
        check(vec![4; 16], NotAMessage::Malformed);
        check(vec![5; 8], NotAMessage::Malformed);
        check(vec![5; 10], NotAMessage::Malformed);
        check(vec![1; HELLO_BYTES_MAX + 2], NotAMessage::TooLarge);
        check(vec![4; MESSAGE_BYTES_MAX + 1], NotAMessage::TooLarge);
    }
}
