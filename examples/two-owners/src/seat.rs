//! One owner's side at work: the agent takes the floor whenever it is its turn.
use anyhow::{Result, bail};
use clawnet_core::{Refusal, TicketId};
use clawnet_fs::{FsPath, Read, Write};
use clawnet_net::{Dialogue, Floor, Mark, Proposal, SessionId, Standing};

use crate::{
    cast::{self, Who},
    house::{House, Time},
    model::{self, Learned, Model, Move},
    tale::{Tale, named, short},
};

/// One owner, their house and their agent's model.
pub(crate) struct Seat {
    pub(crate) house: House,
    pub(crate) tale: Tale,
    pub(crate) who: Who,
    /// What came of the last move, where the floor was given up in between.
    learned: Learned,
    model: Box<dyn Model>,
    /// Released answers from beneath that the next turn draws on.
    results: Vec<SessionId>,
    time: Time,
    /// A turn the owner was asked about.
    unsaid: Option<Unsaid>,
}

struct Unsaid {
    mark: Mark,
    session: SessionId,
    text: String,
    ticket: TicketId,
}

/// Whether there was anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    Nothing,
    Something,
}

impl Seat {
    pub(crate) fn new(tale: Tale, house: House, time: Time) -> Self {
        let (model, who) = (model::of(tale.who), tale.who);
        let (learned, results, unsaid) = (Learned::Nothing, Vec::new(), None);
        Self { house, tale, who, learned, model, results, time, unsaid }
    }

    /// Does one thing, if there is one to do: what the person decides comes first.
    pub(crate) async fn step(&mut self) -> Result<Did> {
        self.time.pass();
        if self.decide().await? == Did::Something || self.begin().await? == Did::Something {
            return Ok(Did::Something);
        }
        self.speak().await
    }

    /// Whether everything is settled, and everybody knows.
    pub(crate) fn over(&self) -> Did {
        let sessions = self.house.party.sessions();
        let ended = |it: &Dialogue| matches!(it.standing(), Standing::Ended(_));
        let over = !sessions.is_empty() && sessions.iter().all(|(_, it)| ended(it));
        if over && self.house.party.due().is_empty() { Did::Nothing } else { Did::Something }
    }

    async fn speak(&mut self) -> Result<Did> {
        if let Some(unsaid) = self.unsaid.take() {
            return self.say_again(unsaid).await;
        }
        for (session, dialogue) in self.house.party.sessions() {
            if dialogue.standing() != Standing::Open || dialogue.floor != dialogue.role {
                continue;
            }
            match dialogue.drawn.keys().next() {
                None => return self.take_turn(session).await,
                Some(child) => {
                    if let Some(answer) = self.house.party.result(*child).await? {
                        return self.take_in(session, *child, answer).await;
                    }
                }
            }
        }
        Ok(Did::Nothing)
    }

    /// One turn: the model moves until it speaks, or has to wait for somebody.
    async fn take_turn(&mut self, session: SessionId) -> Result<Did> {
        let open = self.house.party.open(session)?;
        let mut learned = std::mem::replace(&mut self.learned, Learned::Nothing);
        let mut floor = open.floor(&self.house.agent).await?;
        for _ in 0..MOVES_MAX {
            self.time.pass();
            match self.model.next(floor.briefing(), &learned)? {
                Move::Read(path) => learned = self.read(&floor, &path).await?,
                Move::Write { path, text } => learned = self.write(&floor, &path, text).await?,
                Move::Inquire { topic, turns } => {
                    self.tale.tell("agent", &format!("wants to ask the carrier: {topic}"));
                    let carrier = Who::Carrier.id();
                    let scope = cast::question_scope()?;
                    let proposal = Proposal::to(carrier, topic).turns(turns).scope(scope);
                    let drawn = floor.propose(proposal).await?;
                    let what = format!("{turns} turns set aside for session {}", short(drawn));
                    self.tale.tell("kernel", &what);
                    return Ok(Did::Something);
                }
                Move::Say(text, mark) => {
                    floor = floor.drawing_on(self.results.iter().copied());
                    let said = say(self.tale, floor, &text, mark).await?;
                    if let Err(ticket) = said {
                        self.unsaid = Some(Unsaid { mark, session, text, ticket });
                    } else {
                        self.results.clear();
                    }
                    return Ok(Did::Something);
                }
            }
        }
        bail!("the {}'s model never speaks", self.who.name())
    }

    /// The owner has answered: the same once more, which is one operation.
    async fn say_again(&mut self, unsaid: Unsaid) -> Result<Did> {
        if self.house.owner.inbox().iter().any(|question| question.ticket == unsaid.ticket) {
            self.unsaid = Some(unsaid);
            return Ok(Did::Nothing);
        }
        let open = self.house.party.open(unsaid.session)?;
        let floor = open.floor(&self.house.agent).await?.drawing_on(self.results.drain(..));
        match say(self.tale, floor, &unsaid.text, unsaid.mark).await? {
            Ok(()) => Ok(Did::Something),
            Err(_) => bail!("the owner is asked the same again"),
        }
    }

    /// The answer from beneath was released: what is left of the turns goes back, and it is used.
    async fn take_in(
        &mut self,
        session: SessionId,
        child: SessionId,
        answer: String,
    ) -> Result<Did> {
        let open = self.house.party.open(session)?;
        let number = open.floor(&self.house.agent).await?.give_back(child).await?;
        let used = self.house.party.session(child).map_or(0, |it| it.used);
        let what = format!(
            "is told the answer; {used} turns were used, entry {number} gives back the rest"
        );
        self.tale.tell("agent", &what);
        self.learned = Learned::Text(answer);
        self.results.push(child);
        Ok(Did::Something)
    }

    async fn read(&self, floor: &Floor<'_>, path: &str) -> Result<Learned> {
        self.tale.tell("agent", &format!("reads fs:{path}"));
        let read = Read::of(path.parse::<FsPath>()?);
        let done = floor.agent().submit(&self.house.files, &read).await;
        let portion = done.map(|portion| portion.content.as_text().unwrap_or_default().to_owned());
        self.learn(portion)
    }

    async fn write(&self, floor: &Floor<'_>, path: &str, text: String) -> Result<Learned> {
        self.tale.tell("agent", &format!("writes fs:{path}"));
        let write = Write::new(path.parse::<FsPath>()?, text);
        let done = floor.agent().submit(&self.house.files, &write).await;
        self.learn(done.map(|_| "written".to_owned()))
    }

    /// What the kernel lets through is learned; what it denies is told, and nothing is learned.
    fn learn(&self, done: Result<String, Refusal>) -> Result<Learned> {
        match done {
            Ok(text) => Ok(Learned::Text(text)),
            Err(Refusal::Denied(denial)) => {
                self.tale.tell("kernel", &denial.to_string());
                Ok(Learned::Refused)
            }
            Err(refusal) => Err(refusal.into()),
        }
    }
}

/// Speaks, or gives the question to the owner that has to be answered first.
async fn say(tale: Tale, floor: Floor<'_>, text: &str, mark: Mark) -> Result<Result<(), TicketId>> {
    let (turn, of) = (floor.briefing().turn, floor.briefing().turns_max);
    match floor.say(text, mark).await {
        Ok(_) => {
            let mark = match mark {
                Mark::Continue => "",
                Mark::Resolved => " [resolved]",
                Mark::Deadlock => " [deadlock]",
            };
            tale.tell("agent", &format!("says, as turn {turn} of {of}: \"{text}\"{mark}"));
            Ok(Ok(()))
        }
        Err(Refusal::Escalated(ticket)) => {
            tale.tell("agent", &format!("would say, as turn {turn} of {of}: \"{text}\""));
            tale.tell("kernel", "the owner is asked first: files were looked into for this turn");
            Ok(Err(ticket.id))
        }
        Err(refusal) => bail!(named(&refusal.to_string())),
    }
}

const MOVES_MAX: usize = 16;
