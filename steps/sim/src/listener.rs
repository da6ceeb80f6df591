//! The world on sockets.
