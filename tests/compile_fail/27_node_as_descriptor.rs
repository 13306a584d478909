//! A file node is no file descriptor.
use std::os::fd::{AsFd, BorrowedFd};

use cap_std::fs::Dir;
use clawnet_fs::Node;

fn take<'n>(node: &'n Node, own: &'n Dir) -> BorrowedFd<'n> {
    _ = node.recovered();
    node.as_fd()
}

fn main() {}
