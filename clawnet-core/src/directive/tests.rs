//! What a kernel tells a node can be made, changed and read in one way only.
use std::sync::Mutex;

use futures::executor::block_on;
use static_assertions::assert_not_impl_any;

use super::*;
use crate::{
    endpoint::{Admission, Authorized, Endpoint, Fault},
    kernel::Kernel,
    key::{Signer as _, SoftwareKey},
    operation::{Action, Code, Demands, Effect, Operation},
    owner::Owner,
    resource::{Region, Resource},
    rule::Grant,
    store::MemoryStore,
    submit::Refusal,
    time::ManualClock,
};

assert_not_impl_any!(VerifiedDirective: Clone, Serialize, DeserializeOwned, Default);

#[derive(Serialize)]
struct Save {
    path: Resource,
    #[serde(skip)]
    content: Vec<u8>,
}

impl Operation for Save {
    const KIND: &'static str = "fs.save";
    type Output = SignedDirective;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.path)
    }

    fn content(&self) -> Option<&[u8]> {
        Some(&self.content)
    }
}

/// Directs what it is asked, and gives the directive out.
struct Far {
    to: Addressee,
    before: Mutex<Option<Before>>,
}

type Before = Box<dyn FnOnce() + Send>;

impl Endpoint<Save> for Far {
    fn admit(&self, _: &Save, _: &crate::Caller) -> Result<Admission, crate::Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Save>) -> Result<SignedDirective, Fault> {
        if let Some(before) = self.before.lock().unwrap().take() {
            before();
        }
        task.direct(&self.to)
    }
}

fn kernel_key() -> SoftwareKey {
    SoftwareKey::from_secret(&[8; 32])
}

fn node_key() -> SoftwareKey {
    SoftwareKey::from_secret(&[9; 32])
}

struct World {
    kernel: Kernel,
    owner: Owner,
}

const START: u64 = 1_795_000_000_000;

impl World {
    fn new() -> Self {
        let key = SoftwareKey::from_secret(&[7; 32]);
        let clock = ManualClock::at(Timestamp::from_millis(START));
        let opening = Kernel::governing(key.public_key()).open(MemoryStore::new(), clock);
        let kernel = block_on(opening).unwrap();
        let owner = block_on(kernel.owner(key)).unwrap();
        Self { kernel, owner }
    }

    fn certified() -> Self {
        let world = Self::new();
        block_on(world.owner.certify(kernel_key().public_key())).unwrap();
        world.kernel.sign_with(kernel_key());
        world
    }

    fn direct(
        &self,
        before: impl FnOnce(&Owner) + Send + 'static,
    ) -> Result<SignedDirective, Refusal> {
        let work = block_on(self.owner.identity("work")).unwrap();
        let rules = Grant::new().allow(Action::Write, Region::subtree("fs:/work").unwrap());
        block_on(self.owner.grant(work, rules)).unwrap();
        let agent = block_on(self.owner.bind(work, "assistant", "here")).unwrap();
        let to = Addressee {
            node: node_key().public_key(),
            session: Digest::of_content(b"session"),
            number: 5,
            valid_for: Duration::from_secs(10),
        };
        let owner = block_on(self.kernel.owner(SoftwareKey::from_secret(&[7; 32]))).unwrap();
        let before: Before = Box::new(move || {
            std::thread::spawn(move || before(&owner)).join().unwrap();
        });
        let far = Far { to, before: Mutex::new(Some(before)) };
        let mount = self.kernel.mount("edge", far);
        let path = "fs:/work/q3.md".parse().unwrap();
        block_on(agent.submit(&mount, &Save { path, content: b"by an agent".to_vec() }))
    }

    fn signed(&self) -> SignedDirective {
        self.direct(|_| ()).unwrap()
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(START + 100)
}

fn verify(signed: SignedDirective, at: Timestamp) -> Result<VerifiedDirective, DirectiveError> {
    signed.verify(&kernel_key().public_key(), &node_key().public_key(), at)
}

fn receipt() -> Receipt {
    Receipt {
        answer: Receipt::answer(br#"{"created":true}"#, b""),
        at: now(),
        directive: World::certified().signed().directive().digest(),
        format: 1,
        head: NodeHead { hash: Digest::of_content(b"head"), size: 12 },
        intent: 6,
        node: node_key().public_key(),
        number: 5,
        outcome: Reported::Done,
        previous: Digest::of_content(b"session"),
    }
}

#[test]
fn what_was_authorized_is_told_whole() {
    let signed = World::certified().signed();
    let told = verify(SignedDirective::read(&signed.to_bytes()).unwrap(), now()).unwrap();
    let directive = told.directive();
    assert_eq!(directive, signed.directive());
    assert_eq!((directive.kind.as_str(), directive.mount.as_str()), ("fs.save", "edge"));
    assert_eq!(directive.operation.as_str(), r#"{"path":"fs:/work/q3.md"}"#);
    assert_eq!(told.carries(b"by an agent"), Ok(()));
    assert_eq!(told.carries(b"by an agenT"), Err(DirectiveError::OtherContent));
    assert_eq!(told.carries(b""), Err(DirectiveError::OtherContent));
}

#[test]
fn without_a_certified_key_nothing_is_told() {
    let code = |world: &World| match world.direct(|_| ()) {
        Err(Refusal::Failed(fault)) => fault.code().to_owned(),
        other => format!("{other:?}"),
    };
    let world = World::new();
    assert_eq!(code(&world), "no_kernel_key");
    world.kernel.sign_with(kernel_key());
    assert_eq!(code(&world), "no_kernel_key");
    block_on(world.owner.certify(node_key().public_key())).unwrap();
    assert_eq!(code(&world), "no_kernel_key");
}

#[test]
fn what_was_revoked_since_the_intent_is_not_told() {
    let world = World::certified();
    let refused = world.direct(|owner| block_on(owner.freeze_all()).unwrap());
    let Err(Refusal::Failed(fault)) = refused else { panic!("{refused:?}") };
    assert_eq!(fault.code(), "revoked");
}

#[test]
fn it_is_good_for_its_node_by_its_kernel_and_in_its_time() {
    let signed = World::certified().signed();
    let (kernel, node) = (kernel_key().public_key(), node_key().public_key());
    let refused = |kernel, node, at| signed.clone().verify(kernel, node, at).unwrap_err();
    assert_eq!(refused(&node, &node, now()), DirectiveError::OtherKernel);
    assert_eq!(refused(&kernel, &kernel, now()), DirectiveError::OtherNode);
    let at = |millis: u64| Timestamp::from_millis(START + millis);
    assert_eq!(refused(&kernel, &node, at(10_000)), DirectiveError::Expired);
    assert!(verify(signed.clone(), at(9_999)).is_ok());
    let early = Timestamp::from_millis(START - 5_000);
    assert!(verify(signed.clone(), early).is_ok());
    let earlier = Timestamp::from_millis(START - 5_001);
    assert_eq!(refused(&kernel, &node, earlier), DirectiveError::NotYet);

    let resigned = |change: &dyn Fn(&mut Directive)| {
        let mut directive = signed.directive.clone();
        change(&mut directive);
        let signature = kernel_key().sign_now(&directive.statement());
        verify(SignedDirective::new(directive, signature), now()).unwrap_err()
    };
    let long = resigned(&|directive| directive.expires_at = at(60_001));
    assert_eq!(long, DirectiveError::TooLong);
    let other = resigned(&|directive| directive.operation = OperationText::new("{}"));
    assert_eq!(other, DirectiveError::NotADirective);
    let other = resigned(&|directive| directive.kind = "fs.delete".into());
    assert_eq!(other, DirectiveError::NotADirective);
    let other = resigned(&|directive| directive.content = None);
    assert_eq!(other, DirectiveError::NotADirective);
    let other = resigned(&|directive| directive.format = 2);
    assert_eq!(other, DirectiveError::NotADirective);
}

#[test]
fn one_flipped_bit_is_refused() {
    let directive = World::certified().signed().to_bytes();
    let receipt = receipt().sign(&node_key()).to_bytes();
    assert!(SignedDirective::read(&directive).is_ok() && SignedReceipt::read(&receipt).is_ok());
    for at in 0..directive.len() * 8 {
        let mut flipped = directive.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let read = SignedDirective::read(&flipped).and_then(|signed| verify(signed, now()));
        assert!(read.is_err(), "bit {at}");
    }
    for at in 0..receipt.len() * 8 {
        let mut flipped = receipt.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let read = SignedReceipt::read(&flipped);
        let read = read.and_then(|signed| signed.verify(&node_key().public_key()).cloned());
        assert!(read.is_err(), "bit {at}");
    }
}

#[test]
fn there_is_one_way_to_write_it() {
    let text = String::from_utf8(World::certified().signed().to_bytes()).unwrap();
    let check = |from: &str, to: &str| {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        let read = SignedDirective::read(other.as_bytes());
        assert_eq!(read, Err(DirectiveError::NotADirective), "{to}");
    };
    check(r#"{"said""#, r#"{ "said""#);
    check(r#""format":1"#, r#""format":1,"format":1"#);
    check(r#""format":1"#, r#""format":1,"free":1"#);
    check(r#""format":1"#, r#""format":1.0"#);
    check(r#"{"path":"fs:/work/q3.md"}"#, r#"{"path": "fs:/work/q3.md"}"#);
    check(r#"{"path":"fs:/work/q3.md"}"#, r#"{"path":"fs:\/work/q3.md"}"#);
    check(r#""intent":"#, r#""intent":900719925474099"#);
}

#[test]
fn a_receipt_is_the_nodes_and_bounded() {
    let signed = receipt().sign(&node_key());
    let read = SignedReceipt::read(&signed.to_bytes()).unwrap();
    assert_eq!(read.verify(&node_key().public_key()), Ok(&receipt()));
    assert_eq!(read.verify(&kernel_key().public_key()), Err(DirectiveError::OtherNode));
    let forged = receipt().sign(&kernel_key());
    let refused = forged.verify(&node_key().public_key());
    assert_eq!(refused, Err(DirectiveError::BadSignature));

    let check = |code: &'static str, what: &str| {
        let outcome = Reported::Failed { code: Code::new(code), what: what.into() };
        let bytes = Receipt { outcome, ..receipt() }.to_bytes();
        assert_eq!(Receipt::read(&bytes), Err(DirectiveError::NotADirective), "{code}");
    };
    check("", "");
    check("Not Found", "");
    check("not_found\n", "");
    check("not_found", &"x".repeat(1025));
    let outcome = Reported::Refused { code: Code::new("read_only"), what: "x".repeat(1024) };
    let bytes = Receipt { outcome, ..receipt() }.to_bytes();
    assert!(Receipt::read(&bytes).is_ok());
}

#[test]
fn a_signature_over_one_is_none_over_another() {
    let signed = World::certified().signed();
    assert!(signed.directive().statement().starts_with(b"clawnet directive v1\n"));
    assert!(receipt().statement().starts_with(b"clawnet receipt v1\n"));
    assert_ne!(DIRECTIVE.digest(&[b"x"]), crate::digest::RECEIPT.digest(&[b"x"]));
}

/// What the specification shows is what this version writes.
#[test]
fn the_examples_of_the_format_are_these() {
    let format = include_str!("../ledger/FORMAT.md");
    let signed = World::certified().signed();
    let receipt = receipt().sign(&node_key());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let shown = [
        text(signed.to_bytes()),
        signed.directive().digest().to_string(),
        text(receipt.to_bytes()),
        receipt.receipt().digest().to_string(),
    ];
    println!("{}", shown.join("\n"));
    assert!(shown.iter().all(|text| format.contains(text)));
}
