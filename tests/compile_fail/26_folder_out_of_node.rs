//! A file node's folders are its own: no handle to a file comes out of it.
use clawnet_fs::Node;

fn take(node: &Node) {
    let taken = &node.watch;
    drop(taken);
}

fn main() {}
