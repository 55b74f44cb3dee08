//! The rules of sheet `coap.md`, each proved with messages written out: endpoints under virtual time, no sockets.

mod notation;
mod pair;
mod station;

mod server;
