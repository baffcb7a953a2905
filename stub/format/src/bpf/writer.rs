//! Writing instructions from the end of the buffer to its front.

use super::error::Error;
use super::{Instruction, MAX_INSTRUCTIONS, op};

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To a return of this value, any copy of it.
    Return(u32),
    /// To this index of the buffer.
    At(u16),
}

/// Writes instructions from the end of the buffer to its front. What does not
/// fit any more is noticed in the end, by [`Writer::finish`].
pub(super) struct Writer<'b> {
    instructions: &'b mut [Instruction; MAX_INSTRUCTIONS],
    /// Index of the instruction written last, which is the program's first.
    front: u16,
    /// Something could not be written, or not be reached.
    failed: bool,
    /// Values returned so far, and where the last written return of each is: the
    /// first of them makes room for what there is no room for.
    returns: [(u32, u16); 3],
}

/// How far a conditional jump reaches.
const REACH: u16 = u8::MAX as u16;

/// The index behind the last instruction.
#[expect(clippy::cast_possible_truncation, reason = "checked")]
const END: u16 = {
    assert!(MAX_INSTRUCTIONS < NOWHERE as usize);
    MAX_INSTRUCTIONS as u16
};

/// An index that nothing reaches.
const NOWHERE: u16 = u16::MAX / 2;

impl<'b> Writer<'b> {
    pub(super) fn new(instructions: &'b mut [Instruction; MAX_INSTRUCTIONS]) -> Self {
        Self {
            instructions,
            front: END,
            failed: false,
            returns: [(0, NOWHERE); 3],
        }
    }

    /// What was written last, which runs first.
    pub(super) fn here(&self) -> Target {
        Target::At(self.front)
    }

    /// The program, if all of it was written.
    pub(super) fn finish(self) -> Result<&'b [Instruction], Error> {
        let program = self.instructions.get(usize::from(self.front)..);
        program.filter(|_| !self.failed).ok_or(Error::TooLong)
    }

    #[inline(never)] // The runtime is to be small.
    fn write(&mut self, instruction: Instruction) {
        let front = self.front.wrapping_sub(1);
        if let Some(place) = self.instructions.get_mut(usize::from(front)) {
            *place = instruction;
            self.front = front;
        } else {
            self.failed = true;
        }
    }

    pub(super) fn push(&mut self, code: u16, k: u32) {
        self.write(Instruction {
            code,
            jt: 0,
            jf: 0,
            k,
        });
    }

    fn push_return(&mut self, value: u32) {
        self.push(op::RETURN, value);
        let mut slots = self.returns.iter();
        let slot = slots.position(|(v, at)| *v == value || *at == NOWHERE);
        if let Some(slot) = self.returns.get_mut(slot.unwrap_or(0)) {
            *slot = (value, self.front);
        }
    }

    /// Makes the program so far begin with `target`; false when that is a
    /// return.
    pub(super) fn fall_into(&mut self, target: Target) -> bool {
        match target {
            Target::Return(value) => {
                self.push_return(value);
                false
            }
            Target::At(index) => {
                if index != self.front {
                    self.push_jump(index);
                }
                true
            }
        }
    }

    /// Emits a conditional jump, unless both ways lead to the same place.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        // Making `no` near may put one more instruction before `yes`.
        let yes = self.near(yes, 1);
        let no = self.near(no, 0);
        let (jt, jf) = (self.distance(yes), self.distance(no));
        self.write(Instruction { code, jt, jf, k });
        self.here()
    }

    fn distance(&mut self, index: u16) -> u8 {
        let distance = u8::try_from(index.wrapping_sub(self.front));
        self.failed |= distance.is_err();
        distance.unwrap_or_default()
    }

    /// The index of an instruction that has the effect of `target` and is in
    /// reach of a jump that is emitted after at most `spare` others.
    fn near(&mut self, target: Target, spare: u16) -> u16 {
        let known = match target {
            Target::At(index) => index,
            Target::Return(value) => {
                let mut returns = self.returns.iter();
                returns.find(|it| it.0 == value).map_or(NOWHERE, |it| it.1)
            }
        };
        if known + spare <= self.front + REACH {
            return known;
        }
        match target {
            Target::Return(value) => self.push_return(value),
            Target::At(index) => self.push_jump(index),
        }
        self.front
    }

    fn push_jump(&mut self, index: u16) {
        self.push(op::JUMP, u32::from(index.wrapping_sub(self.front)));
    }
}
