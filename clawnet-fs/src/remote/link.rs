//! Links: how frames get from a kernel to a node and back.
use std::{
    io::{self, IoSlice, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use super::frame::Frame;

/// A way for frames, both ways, in order: an open socket, a pipe, a queue in a test.
///
/// It may block for as long as it is told and no longer. It authenticates nobody: every frame that
/// matters is signed. After an error it is not used again.
pub trait Link: Send {
    /// Sends one frame, or fails within `within`.
    ///
    /// # Errors
    /// When it may not have been sent whole.
    fn send(&mut self, frame: &Frame, within: Duration) -> io::Result<()>;

    /// Receives the next frame: none if none began to arrive `within` that time.
    ///
    /// # Errors
    /// When the other side is gone, a frame stopped half way, or is no frame.
    fn receive(&mut self, within: Duration) -> io::Result<Option<Frame>>;
}

/// A connected Unix socket. Whoever connects or accepts it checks who is at the other end.
#[derive(Debug)]
pub struct UnixLink {
    stream: UnixStream,
    /// What was received and not yet taken.
    buffer: Vec<u8>,
    /// How the socket's timeouts are set, so that they are not set again.
    waits: [Option<Duration>; 2],
}

impl UnixLink {
    /// Takes a connected stream.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Vec::new(), waits: [None; 2] }
    }

    /// More bytes, or none if nothing came in time.
    fn more(&mut self) -> io::Result<bool> {
        let mut room = [0; READ_BYTES];
        match self.stream.read(&mut room) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.buffer.extend_from_slice(room.get(..read).unwrap_or_default());
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if is_late(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The rest of a frame, read where it is to stay.
    fn rest(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut rest = self.buffer.split_off(Frame::HEADER_BYTES.min(self.buffer.len()));
        self.buffer = if rest.len() > length { rest.split_off(length) } else { Vec::new() };
        while rest.len() < length {
            let have = rest.len();
            // Room is made as bytes arrive, not as a header promises.
            let next = (length - have).min(GROW_BYTES);
            rest.resize(have + next, 0);
            let room = rest.get_mut(have..).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => rest.truncate(have + read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => rest.truncate(have),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        Ok(rest)
    }
}

impl Link for UnixLink {
    fn send(&mut self, frame: &Frame, within: Duration) -> io::Result<()> {
        let [_, write] = &mut self.waits;
        if *write != Some(within) {
            self.stream.set_write_timeout(Some(within))?;
            *write = Some(within);
        }
        let header = frame.header();
        let parts = [&header[..], &frame.head, &frame.body, &frame.content];
        let mut slices = parts.map(IoSlice::new);
        let mut slices = &mut slices[..];
        while slices.iter().any(|slice| !slice.is_empty()) {
            match self.stream.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut slices, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, within: Duration) -> io::Result<Option<Frame>> {
        let [read, _] = &mut self.waits;
        if *read != Some(within) {
            self.stream.set_read_timeout(Some(within))?;
            *read = Some(within);
        }
        while self.buffer.len() < Frame::HEADER_BYTES {
            let began = !self.buffer.is_empty();
            match (self.more()?, began) {
                (true, _) => {}
                (false, false) => return Ok(None),
                (false, true) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        let Some(header) = self.buffer.first_chunk().copied() else { return Ok(None) };
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not a frame");
        let length = Frame::rest(&header).ok_or_else(wrong)?;
        let rest = self.rest(length)?;
        Frame::read(&header, &rest).map(Some).map_err(|_| wrong())
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

const READ_BYTES: usize = 16 << 10;
const GROW_BYTES: usize = 1 << 20;
