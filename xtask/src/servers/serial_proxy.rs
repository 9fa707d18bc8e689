//! A proxy in front of FerretDB that lets one write command through at a time.
//!
//! FerretDB reads, changes and writes back without a lock, so that concurrent updates of one
//! document get lost. MongoDB's are atomic, and what is tested here relies on that. So each
//! `insert`, `update`, `delete` and `findAndModify` is held until the one before has its reply. (What
//! makes collections and indexes must not be: held as well, it stopped for good now and then.)
//!
//! Messages are framed as in MongoDB's wire protocol: a header of four little-endian 32-bit
//! numbers (length, request id, response to, opcode), then for OP_MSG (2013) 32 flag bits and
//! sections, of which the first (kind 0) is a BSON document whose first key is the command's name.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;

const OP_MSG: u32 = 2013;
/// Another message of the same sender follows without being asked for.
const MORE_TO_COME: u32 = 1 << 1;
/// MongoDB's largest message, in bytes.
const MAX_MESSAGE: usize = 48_000_000;
/// The commands that are held.
const WRITES: [&[u8]; 5] = [b"insert", b"update", b"delete", b"findAndModify", b"findandmodify"];
/// Where an OP_MSG's first section starts, and where its document's first key does.
const SECTION: usize = 20;
const FIRST_KEY: usize = SECTION + 1 + 4 + 1;

/// A running proxy.
pub(super) struct SerialProxy {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl SerialProxy {
    /// Listens on a free port and forwards to `server`.
    pub(super) fn start(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (writes, stop) = (Arc::new(Mutex::new(())), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), writes) = (client, Arc::clone(&writes)) else { continue };
                std::thread::spawn(move || {
                    let server = TcpStream::connect(("127.0.0.1", server));
                    if let Ok(server) = server {
                        // An error is the end of a connection, which both sides then see.
                        let _ = forward(&client, &server, &writes);
                        let _ = server.shutdown(Shutdown::Both);
                    }
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Self { address, stopped })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for SerialProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// Requests and replies of one connection, one after the other, until either side closes it.
fn forward(client: &TcpStream, server: &TcpStream, writes: &Mutex<()>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut client, mut server) = (client, server);
    loop {
        let request = read_message(client)?;
        let held =
            is_write(&request).then(|| writes.lock().unwrap_or_else(PoisonError::into_inner));
        server.write_all(&request)?;
        if flags(&request) & MORE_TO_COME != 0 {
            continue;
        }
        loop {
            let reply = read_message(server)?;
            if flags(&reply) & MORE_TO_COME == 0 {
                drop(held);
                client.write_all(&reply)?;
                break;
            }
            client.write_all(&reply)?;
        }
    }
}

fn read_message(mut from: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let size = u32::from_le_bytes(length) as usize;
    if !(16..=MAX_MESSAGE).contains(&size) {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut message = length.to_vec();
    message.resize(size, 0);
    let rest = message.get_mut(4..).unwrap_or_default();
    from.read_exact(rest)?;
    Ok(message)
}

fn number(message: &[u8], at: usize) -> u32 {
    let bytes = message.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_le_bytes)
}

/// An OP_MSG's flag bits; other messages have none that matter.
fn flags(message: &[u8]) -> u32 {
    if number(message, 12) == OP_MSG { number(message, 16) } else { 0 }
}

fn is_write(message: &[u8]) -> bool {
    if number(message, 12) != OP_MSG || message.get(SECTION) != Some(&0) {
        return false;
    }
    let key = message.get(FIRST_KEY..).and_then(|rest| rest.split(|byte| *byte == 0).next());
    key.is_some_and(|key| WRITES.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An OP_MSG with one document whose first key is `command`.
    fn message(command: &str, flags: u32) -> Vec<u8> {
        let mut body = flags.to_le_bytes().to_vec();
        body.extend([0, 0, 0, 0, 0, 2]);
        body.extend(command.as_bytes());
        body.push(0);
        let mut message = (16 + body.len() as u32).to_le_bytes().to_vec();
        message.extend([0; 8]);
        message.extend(OP_MSG.to_le_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn writes_are_told_from_reads() {
        for command in ["insert", "update", "delete", "findAndModify"] {
            assert!(is_write(&message(command, 0)), "{command}");
        }
        for command in ["find", "hello", "inserts", "createIndexes", ""] {
            assert!(!is_write(&message(command, 0)), "{command}");
        }
        assert!(!is_write(b"short"));
    }

    #[test]
    fn flags_are_those_of_op_msg() {
        assert_eq!(flags(&message("find", MORE_TO_COME)), MORE_TO_COME);
        assert_eq!(flags(&[0; 40]), 0);
    }
}
