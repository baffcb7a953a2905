//! Writing instructions from the end of the buffer to its front.

use super::compile::Error;
use super::{Instruction, MAX_INSTRUCTIONS, op};

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To a return of this value, any copy of it.
    Return(u32),
    /// To this index of the buffer.
    At(usize),
}

/// Writes instructions from the end of the buffer to its front.
pub(super) struct Writer<'b> {
    instructions: &'b mut [Instruction; MAX_INSTRUCTIONS],
    /// Index of the instruction written last, which is the program's first.
    front: usize,
    /// The values returned so far (`foreign`, `matched` and `unmatched` at the
    /// most), and where the last written return of each is.
    returns: [Option<(u32, usize)>; 3],
}

/// How far a conditional jump reaches.
const REACH: usize = u8::MAX as usize;

impl<'b> Writer<'b> {
    pub(super) fn new(instructions: &'b mut [Instruction; MAX_INSTRUCTIONS]) -> Self {
        Self {
            instructions,
            front: MAX_INSTRUCTIONS,
            returns: [None; 3],
        }
    }

    /// What was written last, which runs first.
    pub(super) fn here(&self) -> Target {
        Target::At(self.front)
    }

    /// The program.
    pub(super) fn finish(self) -> Result<&'b [Instruction], Error> {
        self.instructions.get(self.front..).ok_or(Error::TooLong)
    }

    fn write(&mut self, instruction: Instruction) -> Result<(), Error> {
        let front = self.front.checked_sub(1).ok_or(Error::TooLong)?;
        *self.instructions.get_mut(front).ok_or(Error::TooLong)? = instruction;
        self.front = front;
        Ok(())
    }

    pub(super) fn push(&mut self, code: u16, k: u32) -> Result<(), Error> {
        self.write(Instruction {
            code,
            jt: 0,
            jf: 0,
            k,
        })
    }

    fn push_return(&mut self, value: u32) -> Result<(), Error> {
        self.push(op::RETURN, value)?;
        let slot = self
            .returns
            .iter_mut()
            .find(|slot| slot.is_none_or(|(v, _)| v == value));
        if let Some(slot) = slot {
            *slot = Some((value, self.front));
        }
        Ok(())
    }

    /// Makes the program so far begin with `target`; false when that is a
    /// return.
    pub(super) fn fall_into(&mut self, target: Target) -> Result<bool, Error> {
        match target {
            Target::Return(value) => self.push_return(value).map(|()| false),
            Target::At(index) => {
                if index != self.front {
                    self.near(target, REACH + 1)?;
                }
                Ok(true)
            }
        }
    }

    /// Emits a conditional jump, unless both ways lead to the same place.
    pub(super) fn branch(
        &mut self,
        code: u16,
        k: u32,
        yes: Target,
        no: Target,
    ) -> Result<Target, Error> {
        if yes == no {
            return Ok(yes);
        }
        // Making `no` near may put one more instruction before `yes`.
        let yes = self.near(yes, 1)?;
        let no = self.near(no, 0)?;
        let distance = |index: usize| {
            index
                .checked_sub(self.front)
                .and_then(|d| u8::try_from(d).ok())
                .ok_or(Error::TooLong)
        };
        let (jt, jf) = (distance(yes)?, distance(no)?);
        self.write(Instruction { code, jt, jf, k })?;
        Ok(Target::At(self.front))
    }

    /// The index of an instruction that has the effect of `target` and is in
    /// reach of a jump that is emitted after at most `spare` others.
    fn near(&mut self, target: Target, spare: usize) -> Result<usize, Error> {
        let known = match target {
            Target::At(index) => Some(index),
            Target::Return(value) => self
                .returns
                .iter()
                .flatten()
                .find(|(v, _)| *v == value)
                .map(|(_, index)| *index),
        };
        if let Some(index) = known
            && index + spare <= self.front + REACH
        {
            return Ok(index);
        }
        match target {
            Target::Return(value) => self.push_return(value)?,
            Target::At(index) => {
                let skip = index.checked_sub(self.front).ok_or(Error::TooLong)?;
                self.push(op::JUMP, u32::try_from(skip).map_err(|_| Error::TooLong)?)?;
            }
        }
        Ok(self.front)
    }
}
