//! Frames: what goes over a link, in its one form.
//!
//! ```text
//! "cnf1" (4) | kind (4) | length of head (4) | of body (4) | of content (4) | head | body | content
//! ```
//!
//! Numbers are little endian. Head and body are canonical JSON; content is bytes as they are. A frame
//! that is longer than its kind may be is refused before anything of it is kept.
use crate::refusal::FsError;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) content: Vec<u8>,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum FrameKind {
    /// The kernel wants a session. Head: its key.
    Hello = 1,
    /// The node's answer. Head: the signed welcome.
    Welcome = 2,
    /// Head: a signed directive. Content: the operation's.
    Directive = 3,
    /// Head: an unsigned receipt. Body and content: the answer.
    Told = 4,
    /// The same, and the receipt is signed.
    Signed = 5,
    /// The kernel wants the last receipt signed. Answered by the same, and as head the signed
    /// receipt, if it was not signed yet.
    Seal = 6,
    /// The kernel wants to know what became of an intent. Head: which.
    Recall = 7,
    /// The node never saw it. Head: a signed word.
    Unseen = 8,
    /// The node does not know whom it speaks with, or about what. Head: why, unsigned.
    No = 9,
}

impl FrameKind {
    fn of(number: u32) -> Option<Self> {
        let all = [
            Self::Hello,
            Self::Welcome,
            Self::Directive,
            Self::Told,
            Self::Signed,
            Self::Seal,
            Self::Recall,
            Self::Unseen,
            Self::No,
        ];
        all.into_iter().find(|kind| *kind as u32 == number)
    }
}

impl Frame {
    /// How many bytes tell how long the rest is.
    pub const HEADER_BYTES: usize = 20;
    /// The longest head.
    pub const HEAD_BYTES_MAX: usize = 160 << 10;
    /// The longest body: a listing of ten thousand entries.
    pub const BODY_BYTES_MAX: usize = 64 << 20;
    /// The most content.
    pub const CONTENT_BYTES_MAX: usize = 100 << 20;

    pub(crate) fn new(kind: FrameKind, head: Vec<u8>) -> Self {
        Self { kind, head, body: Vec::new(), content: Vec::new() }
    }

    /// What it says, in canonical JSON: a directive, a receipt, a welcome, or why not.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The bytes before head, body and content.
    pub(crate) fn header(&self) -> [u8; Self::HEADER_BYTES] {
        let mut header = [0; Self::HEADER_BYTES];
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let words = [
            u32::from_le_bytes(*MAGIC),
            self.kind as u32,
            length(&self.head),
            length(&self.body),
            length(&self.content),
        ];
        for (room, word) in header.chunks_exact_mut(4).zip(words) {
            room.copy_from_slice(&word.to_le_bytes());
        }
        header
    }

    /// All of it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.header()[..], &self.head, &self.body, &self.content].concat()
    }

    /// How many bytes follow this header, or none if it is no header.
    #[must_use]
    pub fn rest(header: &[u8; Self::HEADER_BYTES]) -> Option<usize> {
        Lengths::of(header).map(|lengths| lengths.head + lengths.body + lengths.content)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, header first, and nothing else.
    ///
    /// # Errors
    /// When it is no frame, or one longer than a frame may be.
    pub fn read(header: &[u8; Self::HEADER_BYTES], rest: &[u8]) -> Result<Self, FsError> {
        let wrong = FsError::InvalidRequest("not a frame");
        let Some(lengths) = Lengths::of(header) else { return Err(wrong) };
        let parts = rest.split_at_checked(lengths.head);
        let parts =
            parts.and_then(|(head, rest)| Some((head, rest.split_at_checked(lengths.body)?)));
        let Some((head, (body, content))) = parts else { return Err(wrong) };
        if content.len() != lengths.content {
            return Err(wrong);
        }
        Ok(Self {
            kind: lengths.kind,
            head: head.to_vec(),
            body: body.to_vec(),
            content: content.to_vec(),
        })
    }
}

struct Lengths {
    kind: FrameKind,
    head: usize,
    body: usize,
    content: usize,
}

impl Lengths {
    fn of(header: &[u8; Frame::HEADER_BYTES]) -> Option<Self> {
        let mut words = header.chunks_exact(4).filter_map(|word| word.first_chunk());
        let mut word = || words.next().map(|word| u32::from_le_bytes(*word));
        if word()? != u32::from_le_bytes(*MAGIC) {
            return None;
        }
        let kind = FrameKind::of(word()?)?;
        let mut length = |max: usize| {
            word().and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= max)
        };
        let head = length(Frame::HEAD_BYTES_MAX)?;
        let body = length(Frame::BODY_BYTES_MAX)?;
        let content = length(Frame::CONTENT_BYTES_MAX)?;
        Some(Self { kind, head, body, content })
    }
}

const MAGIC: &[u8; 4] = b"cnf1";
