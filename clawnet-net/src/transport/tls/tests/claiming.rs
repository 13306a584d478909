//! Who is believed to be whose host.
use clawnet_core::{Credential, Signature, vouched};

use super::*;
use crate::transport::tls::{
    claim::{Claim, Hello},
    wire::{Join, Message},
};

/// A host that listens, for owner 2.
async fn server() -> (TlsTransport, SocketAddr, LinkEvents) {
    let two = host(202, &[2], &Map::default(), limits()).await;
    let address = listening(&two).await;
    let events = two.events();
    (two, address, events)
}

const NOT_THIS_LINK: LinkError = LinkError::Claim(ClaimError::NotThisLink);

#[tokio::test]
async fn a_claim_proves_an_owner_on_its_link() {
    let (two, address, _) = server().await;
    let mut socket = raw::link(address, 201).await;
    let frame = Message::Frame { number: 1, taken: 0, payload: vec![5].into() };
    raw::say(&mut socket, frame).await;
    let arrived = receive(&two).await;
    assert_eq!((arrived.frame, arrived.proven.owners()), (vec![5], vec![owner(1)]));
}

/// A speaker with another's credential and a key of its own.
struct Thief(Credential, SoftwareKey);

#[async_trait]
impl Speaker for Thief {
    fn owner(&self) -> OwnerId {
        self.0.owner()
    }

    async fn vouch(&self, statement: &[u8]) -> Result<(Credential, Signature), NotVouched> {
        let signature = self.1.sign(&vouched("net.link", statement)).await.unwrap();
        Ok((self.0.clone(), signature))
    }
}

#[tokio::test]
async fn another_owners_claim_is_refused() {
    let (_two, address, mut events) = server().await;
    let victim = kernel(3).await;
    let thief = Thief(victim.credential(), SoftwareKey::from_secret(&[66; 32]));
    let mut socket = raw::dial(address, 201).await.unwrap();
    let claim = Claim::make(&thief, &socket.binding).await.unwrap();
    raw::hello(&mut socket, vec![claim]).await;
    assert_eq!(refused(&mut events).await, NOT_THIS_LINK);
}

/// What a host that the victim linked with heard there, it says elsewhere as its own.
#[tokio::test]
async fn a_claim_heard_on_one_link_is_worth_nothing_on_another() {
    let (_two, address, mut events) = server().await;
    let heard = overheard().await;
    let mut socket = raw::dial(address, 203).await.unwrap();
    raw::hello(&mut socket, heard.claims).await;
    assert_eq!(refused(&mut events).await, NOT_THIS_LINK);
}

/// The hello that a victim's host, of owner 1, says to a thief's node.
async fn overheard() -> Hello {
    let map = Map::default();
    let victim = host(201, &[1], &map, limits()).await;
    let address = listening(&victim).await;
    let mut socket = raw::dial(address, 203).await.unwrap();
    raw::hello(&mut socket, vec![]).await
}

/// Same two nodes, same owner, another connection: only the channel differs.
#[tokio::test]
async fn a_claim_is_bound_to_its_channel() {
    let (two, address, mut events) = server().await;
    let kernel = kernel(1).await;
    let mut first = raw::dial(address, 201).await.unwrap();
    let claim = Claim::make(&*kernel, &first.binding).await.unwrap();
    raw::hello(&mut first, vec![claim.clone()]).await;
    raw::join(&mut first, Join { generation: 1, first: 1, has: None }).await;
    up(&mut events).await;
    let mut second = raw::dial(address, 201).await.unwrap();
    raw::hello(&mut second, vec![claim]).await;
    assert_eq!(refused(&mut events).await, NOT_THIS_LINK);
    drop(two);
}

/// Same channel, but said of the two nodes the other way round: an echo.
#[tokio::test]
async fn a_claim_cannot_be_said_back() {
    let (_two, address, mut events) = server().await;
    let mut socket = raw::dial(address, 201).await.unwrap();
    let Message::Hello(theirs) = socket.input.next().await.unwrap() else { panic!("no hello") };
    raw::say(&mut socket, Message::Hello(theirs)).await;
    assert_eq!(refused(&mut events).await, NOT_THIS_LINK);
}

#[tokio::test]
async fn a_credential_that_leads_nowhere_is_refused() {
    let (_two, address, mut events) = server().await;
    let mut socket = raw::dial(address, 201).await.unwrap();
    let mut empty = kernel(1).await.credential();
    empty.acts.clear();
    let thief = Thief(empty, SoftwareKey::from_secret(&[1; 32]));
    let claim = Claim::make(&thief, &socket.binding).await.unwrap();
    raw::hello(&mut socket, vec![claim]).await;
    let refused = refused(&mut events).await;
    assert!(matches!(refused, LinkError::Claim(ClaimError::Credential(_))), "{refused:?}");
}

#[tokio::test]
async fn who_is_opened_later_is_proven_on_the_same_link() {
    let (one, two) = pair(true).await;
    one.send(owner(2), vec![1]).await.unwrap();
    let proven = receive(&two).await.proven;
    assert!(proven.speaks_for(owner(3)).is_err());
    let mut events = two.events();
    assert_eq!(two.send(owner(3), vec![2]).await, Err(SendError::NoRoute));
    one.speak_for(kernel(3).await).unwrap();
    one.send(owner(2), vec![3]).await.unwrap();
    let arrived = receive(&two).await;
    assert_eq!(arrived.proven.speaks_for(owner(3)), Ok(()));
    assert_eq!(proven.speaks_for(owner(3)), Ok(()), "it is the same link");
    two.send(owner(3), vec![4]).await.unwrap();
    assert_eq!(receive(&one).await.frame, [4]);
    let quiet = timeout(Duration::from_millis(50), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// An owner whose kernel takes its time.
struct Slow(Arc<Kernel>);

#[async_trait]
impl Speaker for Slow {
    fn owner(&self) -> OwnerId {
        self.0.owner_id()
    }

    async fn vouch(&self, statement: &[u8]) -> Result<(Credential, Signature), NotVouched> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Speaker::vouch(&*self.0, statement).await
    }
}

/// While frames flow without end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_is_proven_before_anything_of_theirs_arrives() {
    let (one, two) = pair(true).await;
    let kernels = futures::future::join_all((20..80).map(kernel)).await;
    let speaking = async {
        for (nth, kernel) in (20..80).zip(kernels) {
            for _ in 0..200 {
                one.send(owner(2), vec![0]).await.unwrap();
            }
            one.speak_for(Arc::new(Slow(kernel))).unwrap();
            one.send(owner(2), vec![nth]).await.unwrap();
        }
    };
    let hearing = async {
        for nth in 20..80 {
            let arrived = loop {
                let arrived = receive(&two).await;
                if arrived.frame != [0] {
                    break arrived;
                }
            };
            assert_eq!(arrived.frame, [nth]);
            assert_eq!(arrived.proven.speaks_for(owner(nth)), Ok(()));
        }
    };
    tokio::join!(speaking, hearing);
}

#[tokio::test]
async fn another_node_than_the_directory_names_hears_nothing() {
    let map = Map::default();
    let one = host(201, &[1], &map, limits()).await;
    let two = host(202, &[2], &map, limits()).await;
    let mut events = two.events();
    map.put(2, listening(&two).await, Some(node(209)));
    let expect = NodeError::Another { expected: node(209), found: node(202) };
    assert_eq!(one.connect(owner(2)).await, Err(LinkError::Node(expect)));
    // Not even who calls.
    assert!(matches!(refused(&mut events).await, LinkError::NotTls(_)));
}

#[tokio::test]
async fn a_host_that_does_not_speak_for_the_owner_gets_nothing() {
    let map = Map::default();
    let one = host(201, &[1], &map, limits()).await;
    let two = host(202, &[2], &map, limits()).await;
    map.put(3, listening(&two).await, None);
    assert_eq!(one.connect(owner(3)).await, Err(LinkError::Unproven));
    assert_eq!(one.send(owner(3), vec![1]).await, Err(SendError::NoRoute));
    let quiet = timeout(Duration::from_millis(50), two.receive()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test]
async fn an_owner_that_was_ceded_is_not_claimed_again() {
    let map = Map::default();
    let one = host(201, &[1, 11], &map, limits()).await;
    one.cede(owner(11));
    let two = host(202, &[2], &map, limits()).await;
    map.put(2, listening(&two).await, None);
    one.send(owner(2), vec![1]).await.unwrap();
    assert_eq!(receive(&two).await.proven.owners(), [owner(1)]);
    assert_eq!(one.send(owner(11), vec![1]).await, Err(SendError::NoRoute));
}

/// A hello holds some hundred claims; the rest follow.
#[tokio::test]
async fn more_owners_than_a_hello_holds_are_proven_all() {
    let map = Map::default();
    let one = host(201, &[1], &map, limits()).await;
    for nth in 0..600_u16 {
        let [low, high] = nth.to_le_bytes();
        let mut secret = [7; 32];
        secret[..2].copy_from_slice(&[low, high]);
        one.speak_for(kernel_of(secret, [high.wrapping_add(9); 32]).await).unwrap();
    }
    let two = host(202, &[2], &map, limits()).await;
    map.put(2, listening(&two).await, None);
    one.send(owner(2), vec![1]).await.unwrap();
    assert_eq!(receive(&two).await.proven.owners().len(), 601);
}
