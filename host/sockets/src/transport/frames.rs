//! Counts the messages in a stream of WebSocket frames (RFC 6455, section 5.2) as it is written,
//! so that a message counts as queued until its last byte has left.

/// Watches one direction of one connection. Masked frames are not expected: servers don't mask.
#[derive(Debug, Default)]
pub(super) struct FrameCounter {
    header: [u8; 10],
    have: usize,
    payload_left: u64,
    counts: Counts,
}

/// Whether the frame under way is one of ours.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Counts {
    #[default]
    No,
    Yes,
    /// Text, of which the first byte (Engine.IO's packet type) is still to come.
    Undecided,
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// Engine.IO's packet type `message`.
const MESSAGE: u8 = b'4';

impl FrameCounter {
    /// Takes the next bytes written; the number of messages that ended among them.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        while let Some(&first) = bytes.first() {
            if self.payload_left == 0 {
                if let Some(slot) = self.header.get_mut(self.have) {
                    *slot = first;
                }
                self.have += 1;
                bytes = bytes.get(1..).unwrap_or_default();
                if !self.header_complete() {
                    continue;
                }
                self.have = 0;
                if self.payload_left > 0 {
                    continue;
                }
                // An empty binary message; an empty text frame is no Engine.IO packet.
                ended += usize::from(self.counts == Counts::Yes);
                continue;
            }
            if self.counts == Counts::Undecided {
                self.counts = if first == MESSAGE { Counts::Yes } else { Counts::No };
            }
            let taken = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
            self.payload_left -= taken as u64;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.payload_left == 0 {
                ended += usize::from(self.counts == Counts::Yes);
            }
        }
        ended
    }

    /// Reads the header once enough of it is there.
    fn header_complete(&mut self) -> bool {
        let [flags, short, rest @ ..] = self.header;
        let short = short & 0x7f;
        let (needed, length) = match short {
            126 => (4, rest.iter().take(2).fold(0, |n, &b| (n << 8) | u64::from(b))),
            127 => (10, rest.iter().fold(0, |n, &b| (n << 8) | u64::from(b))),
            _ => (2, u64::from(short)),
        };
        if self.have < needed {
            return false;
        }
        self.payload_left = length;
        self.counts = match flags & 0x0f {
            TEXT => Counts::Undecided,
            BINARY => Counts::Yes,
            _ => Counts::No,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..126 => bytes.push(u8::try_from(short).unwrap()),
            medium @ 126..65536 => {
                bytes.push(126);
                bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn counts_messages_however_they_are_cut() {
        let mut stream = Vec::new();
        stream.extend(frame(1, b"4hello"));
        stream.extend(frame(1, b"2"));
        stream.extend(frame(2, b""));
        stream.extend(frame(9, b"4ping"));
        stream.extend(frame(1, &[b'4'; 300]));
        stream.extend(frame(2, &[0x81; 70_000]));
        stream.extend(frame(8, b""));
        stream.extend(frame(1, b"4"));
        for step in [1, 2, 3, 7, 1000, stream.len()] {
            let mut counter = FrameCounter::default();
            let ended: usize = stream.chunks(step).map(|part| counter.advance(part)).sum();
            assert_eq!(ended, 5, "in steps of {step}");
        }
        let mut counter = FrameCounter::default();
        assert_eq!(counter.advance(b"\x81\x06\x34hell"), 0);
        assert_eq!(counter.advance(b"o"), 1);
    }
}
