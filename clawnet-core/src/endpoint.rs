//! Where effects happen: layer 2, and the one value that lets an endpoint act.
use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use crate::{
    approval::{ContentRef, OperationText, Version},
    bound::Caller,
    denial::{Denial, DenyCode, Layer, shorten},
    digest::Digest,
    directive::{Addressee, Directive, Receipt, Reported, SignedDirective},
    id::OwnerId,
    ledger::{DeclareError, Entry, Ledger},
    operation::{Action, Code, Demands, Operation, digest_of},
    permit::{NotExtended, Permit},
    projection::Projection,
    record::Recalled,
    resource::Resource,
    time::Timestamp,
};

/// Where operations of type `O` are performed: a file node, a tool server, an outbox.
///
/// It is the second of two layers and must not trust the first: `admit` decides from the endpoint's
/// own data, set by the owner by a separate act, and shares no matching code with the scope. An
/// endpoint keeps what it acts on private, so that only an [`Authorized`] gets anything done.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not perform `{O}`",
    label = "this endpoint does not serve the operation",
    note = "submit the operation to an endpoint that implements `Endpoint<{O}>`"
)]
pub trait Endpoint<O: Operation>: Send + Sync {
    /// Layer 2: whether the endpoint itself would do this, and what it acts on as it stands now.
    /// Changes nothing. A panic denies.
    fn admit(&self, operation: &O, caller: &Caller) -> Result<Admission, Denial>;

    /// Performs the operation. Called once for each intent, after the intent is recorded; a panic
    /// is a fault. Dropped half way, the intent is closed as interrupted.
    fn perform(
        &self,
        task: Authorized<'_, O>,
    ) -> impl Future<Output = Result<O::Output, Fault>> + Send;
}

/// What an endpoint remembers, for intents that a crash left without an outcome.
pub trait Recall {
    /// What became of the intent at this place of this owner's ledger.
    fn recall(&self, owner: OwnerId, intent: u64) -> Recalled;
}

/// Layer 2's yes, and what it is a yes about.
#[must_use]
pub struct Admission {
    version: Option<Version>,
    held: Option<Held>,
}

/// What an endpoint holds between its two decisions.
type Held = Box<dyn Any + Send + Sync>;

impl Admission {
    /// Yes, on the thing in this state. An approval is good for no other.
    pub fn at(version: Version) -> Self {
        Self { version: Some(version), held: None }
    }

    /// Yes, and there is no state to tell.
    pub fn unversioned() -> Self {
        Self { version: None, held: None }
    }

    /// And this is what was looked at, such as an open file: what is performed is performed on it
    /// ([`Authorized::held`]), so that nothing gets between the look and the act. It is dropped
    /// where nothing is performed: when the owner is asked, or when it is all judged again, since
    /// `admit` then looks again.
    pub fn holding(self, what: impl Any + Send + Sync) -> Self {
        Self { held: Some(Box::new(what)), ..self }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The effect was tried and failed. Governance had said yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what}")]
pub struct Fault {
    code: Code,
    what: String,
}

impl Fault {
    /// A failure with a code of the endpoint's own, in `snake_case`, and a sentence.
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code: Code::new(code).bounded(), what: shorten(what.into()) }
    }

    /// A failure as a node on another machine told it, in the node's own words.
    #[must_use]
    pub fn relayed(code: Code, what: impl Into<String>) -> Self {
        Self { code: code.bounded(), what: shorten(what.into()) }
    }

    /// Why, for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_str()
    }

    /// Why, for people.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The same, as a node on another machine reports it.
    #[must_use]
    pub fn reported(&self) -> Reported {
        let (code, what) = self.parts();
        Reported::failed(code, what)
    }

    pub(crate) fn parts(&self) -> (Code, String) {
        (self.code.clone(), self.what.clone())
    }
}

/// An endpoint at its place in a kernel, under the name its records bear.
pub struct Mount<E> {
    name: Arc<str>,
    endpoint: E,
    ledger: Arc<Ledger>,
}

impl<E> Mount<E> {
    pub(crate) fn new(name: &str, endpoint: E, ledger: Arc<Ledger>) -> Self {
        Self { name: short_name(name).into(), endpoint, ledger }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// The endpoint, for what it offers besides performing operations.
    pub fn endpoint(&self) -> &E {
        &self.endpoint
    }

    pub(crate) fn is_of(&self, ledger: &Arc<Ledger>) -> bool {
        Arc::ptr_eq(&self.ledger, ledger)
    }

    /// Performs an admitted operation under its open entry. A panic is a fault.
    pub(crate) async fn perform<O: Operation>(
        &self,
        admitted: &Admitted<'_, O>,
        entry: &Entry<'_>,
        evidence: &OnceLock<Evidence>,
    ) -> Result<O::Output, Fault>
    where
        E: Endpoint<O>,
    {
        let task = Authorized { admitted, entry, evidence };
        let made = catch_unwind(AssertUnwindSafe(|| self.endpoint.perform(task)));
        let panicked = || Fault::new("panicked", "the endpoint panicked");
        let Ok(future) = made else { return Err(panicked()) };
        let mut future = pin!(future);
        let poll = |cx: &mut Context<'_>| {
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
            polled.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
        };
        poll_fn(poll).await
    }
}

/// The name itself, or of a long one its beginning and the digest of all of it: bounded, and never
/// another mount's.
fn short_name(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.into();
    }
    let front = name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default();
    format!("{front}~{}", Digest::of_content(name.as_bytes()))
}

const NAME_BYTES_MAX: usize = 64;

impl<E> fmt::Debug for Mount<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mount {}", self.name)
    }
}

/// Proof that both layers let one operation pass, or let the owner be asked.
#[must_use]
pub(crate) struct Admitted<'a, O> {
    permit: Permit<'a, O>,
    mount: &'a str,
    version: Option<Version>,
    held: Option<Held>,
}

impl<'a, O: Operation> Admitted<'a, O> {
    /// Asks layer 2. What panics there denies.
    pub(crate) fn ask<E: Endpoint<O>>(
        permit: Permit<'a, O>,
        mount: &'a Mount<E>,
    ) -> Result<Self, Denial> {
        let (operation, caller) = (permit.request().operation, permit.bound().seat().caller());
        let answer = catch_unwind(AssertUnwindSafe(|| mount.endpoint.admit(operation, caller)));
        match answer {
            Ok(Ok(Admission { version, held })) => {
                Ok(Self { permit, mount: &mount.name, version, held })
            }
            Ok(Err(denial)) => Err(denial.said_by_endpoint()),
            Err(_) => Err(Denial::of(Layer::Endpoint, DenyCode::EndpointFault)),
        }
    }

    pub(crate) fn permit(&self) -> &Permit<'a, O> {
        &self.permit
    }

    pub(crate) fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// Whether the effect of the open entry may still begin.
    pub(crate) fn may_begin(&self, entry: &Entry<'_>) -> Result<(), Fault> {
        let bound = self.permit.bound();
        let begins = entry.may_begin(bound.scope().epoch, bound.version());
        begins.map_err(|stale| Fault::new(stale.code(), stale.to_string()))
    }

    /// Whether what the open entry permits extends to something else, as everything stands now.
    fn extends_to(&self, entry: &Entry<'_>, demands: &Demands<'_>) -> Result<(), NotExtended> {
        let bound = self.permit.bound();
        entry.stands(bound.scope().epoch, bound.version()).map_err(|_| NotExtended)?;
        self.permit.extends_to(demands)
    }
}

/// The right to perform one operation, once.
///
/// **Promises** that layer 1 and layer 2 let it pass, that a yes the owner had to give was spent
/// for it, and that its intent is in the ledger. **Refuses** to be made, copied, stored, sent or
/// serialised: it borrows its open entry, and [`Endpoint::perform`] consumes it.
///
/// An endpoint can use one:
/// ```
/// # use clawnet_core::{Authorized, Fault, Operation};
/// async fn perform<O: Operation>(task: Authorized<'_, O>) -> Result<(), Fault> {
///     task.confirm()
/// }
/// ```
/// Nobody can make one:
/// ```compile_fail
/// # use clawnet_core::{Authorized, Operation};
/// fn forge<O: Operation>() -> Authorized<'static, O> {
///     Authorized { admitted: todo!(), entry: todo!(), evidence: todo!() }
/// }
/// ```
#[must_use]
pub struct Authorized<'e, O> {
    admitted: &'e Admitted<'e, O>,
    entry: &'e Entry<'e>,
    evidence: &'e OnceLock<Evidence>,
}

/// What backs an outcome.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) digest: Digest,
    /// What has that digest, if it is to be kept beside the chain.
    pub(crate) body: Option<Vec<u8>>,
}

impl<O: Operation> Authorized<'_, O> {
    /// What to perform, exactly as it was judged and recorded.
    #[must_use]
    pub fn operation(&self) -> &O {
        self.admitted.permit.request().operation
    }

    /// For whom.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.admitted.permit.bound().seat().caller()
    }

    /// The intent's place in the ledger, to key what the endpoint itself writes down.
    #[must_use]
    pub fn intent(&self) -> u64 {
        self.entry.sequence()
    }

    /// When the intent was recorded, by the kernel's clock.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.entry.at()
    }

    /// What `admit` held on to, if it held a `T`.
    #[must_use]
    pub fn held<T: Any>(&self) -> Option<&T> {
        self.admitted.held.as_ref()?.downcast_ref()
    }

    /// Whether what was authorized extends to another thing: to leave out of a listing what the
    /// identity may not see.
    ///
    /// **Promises** that scope and house policy, as they stand now, say of it at least what they
    /// said of the operation: a yes of the owner's extends to what the owner would be asked about
    /// again. **Refuses** everything once anything of the identity's was revoked, frozen or granted
    /// since the intent. It permits nothing, and uses no budget: what the operation itself used of
    /// one is enough.
    pub fn extends_to(&self, action: Action, resource: &Resource) -> Result<(), NotExtended> {
        self.admitted.extends_to(self.entry, &Demands::one(action, resource))
    }

    /// The same of a thing and everything beneath it, in one look. An error says that not all of it
    /// is alike: then ask about each.
    pub fn extends_below(&self, action: Action, resource: &Resource) -> Result<(), NotExtended> {
        self.admitted.extends_to(self.entry, &Demands::tree(action, resource))
    }

    /// What `admit` said the operation acts on.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.admitted.version.as_ref()
    }

    /// Checks right before the effect, as the kernel did before it called, that nothing was revoked
    /// since the intent and that it is not too late. For endpoints whose preparations take time.
    pub fn confirm(&self) -> Result<(), Fault> {
        self.admitted.may_begin(self.entry)
    }

    /// Puts a fact in the ledger, durably, as
    /// [`Kernel::declare`](crate::Kernel::declare) does: for effects that are a record themselves.
    ///
    /// **Promises** that nothing was revoked since the intent when it is recorded, however long it
    /// took to keep `body`: in the ledger it never follows what took the right to it away.
    pub async fn declare<P: Projection>(
        &self,
        fact: &P::Fact,
        body: Option<&[u8]>,
    ) -> Result<u64, DeclareError> {
        Ok(self.entry.tell::<P>(fact, (body, self.epoch())).await?)
    }

    /// Tells a node on another machine to perform this, signed with the kernel's key: the one way
    /// to make a directive. It confirms first, as [`confirm`](Self::confirm) does, and a directive
    /// that was made is as good as sent: what came of it is what the node says.
    ///
    /// # Errors
    /// When something was revoked or it is too late; without a key that the owner certified
    /// (`no_kernel_key`): [`Kernel::sign_with`](crate::Kernel::sign_with).
    pub fn direct(&self, to: &Addressee) -> Result<SignedDirective, Fault> {
        self.confirm()?;
        let (request, caller) = (self.admitted.permit.request(), self.caller());
        let content = request.operation.content();
        let content = content.map(|bytes| ContentRef {
            digest: Digest::of_content(bytes),
            size_bytes: bytes.len() as u64,
        });
        let named = (O::KIND, self.admitted.mount);
        let digest =
            digest_of(named, &request.bytes, (content.as_ref().map(|it| &it.digest), None));
        let valid_for = to.valid_for.min(Directive::VALID_FOR_MAX);
        let sign = |kernel, issued_at: Timestamp| Directive {
            agent: caller.agent(),
            content,
            digest,
            epoch: self.epoch(),
            expires_at: issued_at.after(valid_for),
            format: Receipt::FORMAT,
            identity: caller.identity(),
            intent: self.intent(),
            issued_at,
            job: caller.job().map(str::to_owned),
            kernel,
            kind: O::KIND.into(),
            mount: self.admitted.mount.into(),
            node: to.node,
            number: to.number,
            operation: OperationText::new(request.text()),
            owner: caller.owner(),
            session: to.session,
        };
        let signed = self.entry.vouch(|kernel, now| {
            let directive = sign(kernel, now);
            let statement = directive.statement();
            (directive, statement)
        });
        let (directive, signature) =
            signed.map_err(|error| Fault::new("no_kernel_key", error.to_string()))?;
        Ok(SignedDirective::new(directive, signature))
    }

    /// The policy epoch it was judged in.
    pub(crate) fn epoch(&self) -> u64 {
        self.admitted.permit.bound().scope().epoch
    }

    /// Names what backs the outcome, such as the digest of what was written. The first word counts.
    pub fn attest(&self, digest: Digest) {
        drop(self.evidence.set(Evidence { digest, body: None }));
    }

    /// The same, and what has that digest is kept beside the ledger, such as a signed receipt, at
    /// most 64 MiB: the owner reads it with [`Owner::body`](crate::Owner::body) and has it erased
    /// with [`Owner::erase`](crate::Owner::erase). It is kept before the outcome names it. If it is
    /// too large to be kept, the operation ends with the fault `evidence` under that digest,
    /// whatever it did; if the store fails, so does the kernel, as ever.
    pub fn attest_body(&self, body: Vec<u8>) {
        let digest = Digest::of_content(&body);
        drop(self.evidence.set(Evidence { digest, body: Some(body) }));
    }
}

impl<O> fmt::Debug for Authorized<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorized")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_endpoint_says_is_bounded_and_its_own() {
        let long: &'static str = Box::leak("x".repeat(2 << 20).into_boxed_str());
        let fault = Fault::new(long, long);
        assert!(fault.code().len() <= 64 && fault.what().len() <= 1024);
        let denial = Denial::by_endpoint(long, long).said_by_endpoint();
        assert!(denial.to_string().len() < 2048);
        let borrowed = Denial::of(Layer::Owner, DenyCode::Rejected).said_by_endpoint();
        assert_eq!(borrowed.code, DenyCode::Endpoint(Code::new("other")));
        assert_eq!(borrowed.layer, Layer::Endpoint);
    }

    #[test]
    fn long_names_stay_apart() {
        let front = "x".repeat(2000);
        let (staging, prod) = (short_name(&format!("{front}a")), short_name(&format!("{front}b")));
        assert_ne!(staging, prod);
        assert!(staging.len() <= 64 + 1 + 64);
        assert_eq!(short_name("files"), "files");
    }
}
