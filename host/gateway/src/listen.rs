//! Listening sockets, one a core.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel holds until they are accepted. It lowers this to `somaxconn`.
const BACKLOG: i32 = 4_096;

/// Binds `count` non-blocking listeners to one address; with port 0, all to the one port the
/// kernel chose.
///
/// The kernel spreads connections over them (`SO_REUSEPORT`). Where it can't, the listeners are
/// clones of one socket, from which whoever is free accepts.
///
/// # Errors
/// When the address can't be bound, in particular when somebody listens there already: two
/// processes must not share a port by accident.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    if count <= 1 {
        return Ok(vec![open(address, false)?]);
    }
    match bind_each(address, count) {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        Ok(listeners) => Ok(listeners),
        Err(_) => {
            let first = open(address, false)?;
            let mut listeners = Vec::with_capacity(count);
            for _ in 1..count {
                listeners.push(first.try_clone()?);
            }
            listeners.push(first);
            Ok(listeners)
        }
    }
}

fn bind_each(mut address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        // A shared port hides another process of the same user, an exclusive one shows it.
        drop(open(address, false)?);
    }
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = open(address, true)?;
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    if shared {
        share_port(&socket)?;
    }
    if address.is_ipv6() && address.ip().is_unspecified() {
        // `[::]` takes IPv4 too, whatever the machine's default.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(unix)]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true).map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))
}

#[cfg(not(unix))]
fn share_port(_socket: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::bind;

    #[test]
    fn all_listeners_share_the_chosen_port() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<u16> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|port| *port != 0 && Some(port) == ports.first()));
    }

    #[test]
    fn a_port_in_use_is_an_error() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = first.first().unwrap().local_addr().unwrap();
        assert!(bind(address, 2).is_err());
        assert!(bind(address, 1).is_err());
        drop(first);
        assert!(bind(address, 2).is_ok());
    }
}
