//! A asks B, and B asks C on the way to an answer.
use super::*;
use crate::{dialogue::Standing, entry::Ending, said::Review};

pub(super) struct Three {
    pub(super) first: One,
    pub(super) second: One,
    pub(super) third: One,
    above: SessionId,
}

impl Three {
    pub(super) fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
        let [first, second, third] = [1, 2, 3].map(|seed| One::new(seed, &clock));
        meet(&first, &second);
        meet(&second, &third);
        // That the second may ask the third on account of it is agreed on, or it is not.
        let ask = Region::exact(&format!("contact:{}", third.id())).unwrap();
        let scope = Grant::new().allow(Action::Send, ask);
        let proposal = Proposal::to(second.id(), "valves, delivered").scope(scope);
        let above = agree(&first, &second, proposal);
        first.say(above, "with delivery?", Mark::Continue).unwrap();
        settle(&[&first, &second]);
        Self { first, second, third, above }
    }

    fn all(&self) -> [&One; 3] {
        [&self.first, &self.second, &self.third]
    }

    fn propose(&self, turns: u32) -> Result<SessionId, Refusal> {
        let open = self.second.party.open(self.above).unwrap();
        block_on(async {
            let floor = open.floor(&self.second.agent).await.unwrap();
            let proposal = Proposal::to(self.third.id(), "can you carry it?").turns(turns);
            floor.propose(proposal).await
        })
    }

    /// The third is asked, and answers.
    pub(super) fn asked(&self) -> SessionId {
        let child = self.propose(4).unwrap();
        for one in [&self.second, &self.third] {
            let digest = one.party.session(child).unwrap().wording.digest;
            block_on(one.party.consent(&one.owner, child, digest)).unwrap();
            settle(&self.all());
        }
        self.second.say(child, "can you?", Mark::Continue).unwrap();
        settle(&self.all());
        self.third.say(child, "for 200, privately 150", Mark::Resolved).unwrap();
        settle(&self.all());
        child
    }
}

#[test]
fn a_question_on_the_way_is_paid_for_above_and_told_only_as_released() {
    let three = Three::new();
    let Three { first, second, third, above } = &three;
    let child = three.asked();
    let used = |one: &One, session| one.party.session(session).unwrap().used;
    for one in [first, second] {
        let dialogue = one.party.session(*above).unwrap();
        assert_eq!((dialogue.used, dialogue.set_aside(), dialogue.left()), (1, 4, 5));
    }
    assert!(first.party.session(child).is_none(), "the first holds nothing of it");
    assert_eq!((used(second, child), used(third, child)), (2, 2));

    // What was heard beneath is not told above before it is released.
    assert_eq!(block_on(second.party.result(child)).unwrap(), None);
    assert!(second.say(*above, "they say 150", Mark::Continue).unwrap_err().contains("ticket"));
    block_on(third.party.release(&third.owner, child, "200, by Friday")).unwrap();
    let release = third.outgoing(second).pop().unwrap();
    let other_words = String::from_utf8(release).unwrap().replace("by Friday", "on Monday");
    second.hear(other_words.as_bytes(), third);
    assert_eq!(block_on(second.party.result(child)).unwrap(), None);
    third.party.again(second.id());
    settle(&three.all());
    let result = block_on(second.party.result(child)).unwrap();
    assert_eq!(result.as_deref(), Some("200, by Friday"));
    assert!(block_on(second.party.release(&second.owner, child, "mine")).is_err());

    let open = second.party.open(*above).unwrap();
    block_on(async {
        let floor = open.floor(&second.agent).await.unwrap();
        floor.give_back(child).await.unwrap();
        let floor = open.floor(&second.agent).await.unwrap();
        let floor = floor.drawing_on([child]);
        floor.say(&result.unwrap(), Mark::Continue).await.unwrap();
    });
    settle(&three.all());
    for one in [first, second] {
        let dialogue = one.party.session(*above).unwrap();
        assert_eq!((dialogue.used, dialogue.set_aside(), dialogue.left()), (4, 0, 6));
    }
    assert_eq!(first.told(*above), second.told(*above));
    assert_eq!(second.told(child), third.told(child));
}

#[test]
fn closing_above_closes_beneath() {
    let three = Three::new();
    let Three { first, second, third, above } = &three;
    let child = three.propose(4).unwrap();
    for one in [second, third] {
        let digest = one.party.session(child).unwrap().wording.digest;
        block_on(one.party.consent(&one.owner, child, digest)).unwrap();
        settle(&three.all());
    }
    block_on(first.party.close(&first.owner, *above)).unwrap();
    settle(&three.all());
    for one in [first, second] {
        assert_eq!(one.party.session(*above).unwrap().standing(), Standing::Ended(Ending::Owner));
    }
    assert_eq!(second.party.session(child).unwrap().standing(), Standing::Ended(Ending::Parent));
    assert!(matches!(third.party.session(child).unwrap().standing(), Standing::Ended(_)));
    for one in three.all() {
        assert!(one.party.due().is_empty());
    }
}

#[test]
fn nobody_is_asked_who_is_asking() {
    let three = Three::new();
    let Three { first, second, above, .. } = &three;
    let open = second.party.open(*above).unwrap();
    let floor = block_on(open.floor(&second.agent)).unwrap();
    let refused = block_on(floor.propose(Proposal::to(first.id(), "and you?").turns(2)));
    let Err(Refusal::Denied(denial)) = refused else { panic!() };
    assert!(denial.to_string().contains("meet themselves"), "{denial}");
    assert!(three.propose(9).is_err(), "one turn has to be left to say what came of it");
    assert!(three.propose(8).is_ok());
}

#[test]
fn nothing_is_drawn_for_another_identity_than_the_one_above() {
    let three = Three::new();
    let Three { second, third, above, .. } = &three;
    let home = block_on(second.owner.identity("home")).unwrap();
    let shown = Presenting::new(home, "home");
    block_on(second.party.present(&second.owner, third.id(), shown)).unwrap();
    settle(&three.all());
    assert!(three.propose(2).is_err());
    let proposal = Proposal::to(third.id(), "can you?").turns(2).within(*above);
    assert!(block_on(second.party.propose(&second.owner, proposal)).is_err());
    assert_eq!(second.party.session(*above).unwrap().set_aside(), 0);
}

#[test]
fn the_owner_asks_by_hand_too() {
    let three = Three::new();
    let Three { second, third, above, .. } = &three;
    let proposal = Proposal::to(third.id(), "can you?").turns(2).within(*above);
    let child = block_on(second.party.propose(&second.owner, proposal)).unwrap();
    settle(&three.all());
    let digest = third.party.session(child).unwrap().wording.digest;
    block_on(third.party.consent(&third.owner, child, digest)).unwrap();
    settle(&three.all());
    assert_eq!(second.party.session(child).unwrap().standing(), Standing::Open);
    assert_eq!(second.party.session(*above).unwrap().set_aside(), 2);
}

#[test]
fn by_hand_nothing_is_taken_for_terms_that_nobody_can_agree_to() {
    let three = Three::new();
    let Three { first, second, above, .. } = &three;
    let back = Proposal::to(first.id(), "and you?").turns(4).within(*above);
    let refused = block_on(second.party.propose(&second.owner, back)).unwrap_err();
    assert!(matches!(refused, PartyError::Unfit(_)), "{refused}");
    assert_eq!(second.party.session(*above).unwrap().set_aside(), 0);
    assert!(second.outgoing(first).is_empty());
}

#[test]
fn turns_alone_are_nothing_for_the_owner_to_read() {
    let three = Three::new();
    let Three { first, second, above, .. } = &three;
    block_on(second.party.review(&second.owner, first.id(), Review::EachTurn)).unwrap();
    let child = three.asked();
    let open = second.party.open(*above).unwrap();
    block_on(async {
        let floor = open.floor(&second.agent).await.unwrap();
        floor.give_back(child).await.unwrap();
    });
    assert!(second.owner.inbox().is_empty(), "nobody was asked about a word that was not said");
    assert!(second.say(*above, "for 200", Mark::Continue).unwrap_err().contains("ticket"));
    assert_eq!(second.owner.inbox().len(), 1);
}

#[test]
fn whom_the_terms_do_not_name_is_not_asked_and_that_is_said() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let [one, other, third] = [1, 2, 3].map(|seed| One::new(seed, &clock));
    meet(&one, &other);
    meet(&one, &third);
    let session = agree(&one, &other, Proposal::to(other.id(), "valves"));
    let open = one.party.open(session).unwrap();
    let floor = block_on(open.floor(&one.agent)).unwrap();
    let refused = block_on(floor.propose(Proposal::to(third.id(), "can you?").turns(2)));
    let Err(Refusal::Denied(denial)) = refused else { panic!() };
    let reason = denial.reason.unwrap();
    let named = format!("the terms of {session} name no send to contact:{}", third.id());
    assert!(reason.starts_with("confined by record") && reason.ends_with(&named), "{reason}");
}
