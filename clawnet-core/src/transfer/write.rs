//! Writing entries, in either form.
use std::{
    io::{self, Write},
    sync::Arc,
};

use super::{BODY, END, ExportError, FORMAT, Form, MAGIC, RECORD, first_line};
use crate::{
    base64,
    digest::{Digest, hex},
    key::PublicKey,
    store::{Frame, Head},
};

/// Gathers what is small, and hands it on in pieces.
pub(super) struct Writer<'w> {
    out: &'w mut (dyn Write + Send),
    form: Form,
    buffer: Vec<u8>,
}

impl<'w> Writer<'w> {
    pub(super) fn new(out: &'w mut (dyn Write + Send), form: Form) -> Self {
        Self { out, form, buffer: Vec::with_capacity(2 * PIECE_BYTES) }
    }

    pub(super) fn header(&mut self, founder: PublicKey) -> Result<(), ExportError> {
        match self.form {
            Form::JsonLines => self.put(&[first_line(founder).as_bytes()]),
            Form::Native => self.put(&[MAGIC, &FORMAT.to_le_bytes(), founder.as_bytes()]),
        }
    }

    pub(super) fn record(&mut self, frame: &Frame) -> Result<(), ExportError> {
        let Frame { sequence, hash, payload } = frame;
        match self.form {
            Form::JsonLines => {
                let digits = &mut [0; 64];
                let hash = hex(hash.as_bytes(), digits).as_bytes();
                self.put(&[br#"{"hash":""#, hash, br#"","record":"#, payload])?;
                self.put(&[format!(",\"sequence\":{sequence}}}\n").as_bytes()])
            }
            Form::Native => {
                let length = length(payload)?.to_le_bytes();
                let sequence = sequence.to_le_bytes();
                self.put(&[&[RECORD], &length, &sequence, hash.as_bytes(), payload])
            }
        }
    }

    pub(super) fn body(&mut self, digest: Digest, content: &[u8]) -> Result<(), ExportError> {
        match self.form {
            Form::JsonLines => {
                self.put(&[br#"{"body":{"content":""#])?;
                for piece in content.chunks(PIECE_BYTES) {
                    self.put(&[base64::encode(piece).as_bytes()])?;
                }
                self.put(&[format!("\",\"digest\":\"{digest}\"}}}}\n").as_bytes()])
            }
            Form::Native => {
                let length = length(content)?.to_le_bytes();
                self.put(&[&[BODY], &length, digest.as_bytes()])?;
                content.chunks(PIECE_BYTES).try_for_each(|piece| self.put(&[piece]))
            }
        }
    }

    /// The end, and everything that was gathered.
    pub(super) fn end(&mut self, head: Head) -> Result<(), ExportError> {
        let Head { sequence, hash } = head;
        match self.form {
            Form::JsonLines => {
                let about = format!(r#""hash":"{hash}","sequence":{sequence}"#);
                self.put(&[format!("{{\"end\":{{{about}}}}}\n").as_bytes()])?;
            }
            Form::Native => self.put(&[&[END], &sequence.to_le_bytes(), hash.as_bytes()])?,
        }
        self.flush()
    }

    /// Hands on what was gathered.
    pub(super) fn flush(&mut self) -> Result<(), ExportError> {
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        written.map_err(failed)
    }

    fn put(&mut self, parts: &[&[u8]]) -> Result<(), ExportError> {
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        if self.buffer.len() >= PIECE_BYTES {
            self.out.write_all(&self.buffer).map_err(failed)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// How much is handed on at once: whole groups of base64.
const PIECE_BYTES: usize = 48 << 10;

fn length(bytes: &[u8]) -> Result<u32, ExportError> {
    u32::try_from(bytes.len()).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))
}

fn failed(error: io::Error) -> ExportError {
    ExportError::Writer(Arc::new(error))
}
