//! Doing with one program header less: the policy's notes share the PT_NOTE of notes that
//! have to move. A static program has little but notes between its program headers and
//! what start-up code refers to by address.

use object::elf;
use sandbox_format::note::Notes;

use super::{
    Destination, Displaced, FIRST_PAGE, Needs, Room, growth, has_build_id, holes, take,
    to_new_segment,
};
use crate::elf::encoding::ProgramHeader;
use crate::elf::{FileRange, Image, Layout, Source};
use crate::rewrite::error::Error;
use crate::rewrite::pieces::{Piece, PieceKind};

/// Finds it; `None` if there is none, or no notes move. Only for programs whose strings
/// stay.
///
/// # Errors
///
/// The file can't be read, or contradicts itself.
pub(super) fn make(
    image: &Image<impl Source>,
    pieces: &[Piece],
    needs: Needs,
) -> Result<Option<Room>, Error> {
    let growth = match growth(image, pieces, needs.loads) {
        Ok(growth) if !needs.strings_move => growth,
        Ok(_) | Err(Error::NoRoom(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let moving: Vec<Piece> = pieces
        .iter()
        .filter(|piece| piece.range.overlaps(&growth))
        .copied()
        .collect();
    let (notes, others): (Vec<Piece>, Vec<Piece>) = moving
        .iter()
        .partition(|piece| piece.kind == PieceKind::Notes);
    let is_build_id = |piece: &&Piece| has_build_id(image, piece);
    let sharing = notes.iter().find(|piece| !is_build_id(piece));
    let Some(sharing) = sharing.or(notes.first()) else {
        return Ok(None);
    };
    if !has_own_header(image, sharing) || !can_be_continued(image, sharing, sharing.align)? {
        return Ok(None);
    }
    let mut displaced: Vec<Displaced> = others.iter().map(to_new_segment).collect();
    // The others keep their headers; what of them is not kept in the first page
    // comes last, under the header that is shared.
    let mut joined = vec![*sharing];
    let mut holes = holes(image, &moving, growth.end())?;
    for piece in notes.iter().filter(|piece| *piece != sharing) {
        match keep_build_id(image, piece, &mut holes)? {
            Some((kept, None)) => displaced.push(kept),
            Some((kept, Some(rest))) if can_be_continued(image, &rest, sharing.align)? => {
                displaced.push(kept);
                joined.push(rest);
            }
            _ => displaced.push(to_new_segment(piece)),
        }
    }
    displaced.extend(joined.iter().map(to_new_segment));
    Ok(Some(Room {
        headers: needs.loads,
        shared_note: Some(sharing.range.start),
        obstacle: None,
        in_front: false,
        displaced,
    }))
}

/// Whether exactly one PT_NOTE points to the piece, and to all of it, in memory as well.
fn has_own_header(layout: &Layout, piece: &Piece) -> bool {
    let headers = layout.segments_of(elf::PT_NOTE);
    let own: Vec<&ProgramHeader> = headers
        .filter(|note| note.range().overlaps(&piece.range))
        .collect();
    matches!(own[..], [note] if note.range() == piece.range && layout.is_of_notes(note))
}

/// Whether more notes can follow under the same header, that is, whether these are all
/// padded as it says. mold puts notes of both paddings under one header.
fn can_be_continued(image: &Image<impl Source>, piece: &Piece, align: u64) -> Result<bool, Error> {
    let bytes = image.source.read_at(piece.range.start, piece.range.size)?;
    let mut notes = Notes::new(&bytes, image.encoding.note_order(), align);
    Ok(piece.range.size.is_multiple_of(align) && notes.all(|note| note.is_ok()))
}

/// Moves the build-id, if it is the first of the notes, to a place in the first page, so
/// that it stays in core dumps; the rest of the notes is returned with it.
fn keep_build_id(
    image: &Image<impl Source>,
    piece: &Piece,
    holes: &mut [FileRange],
) -> Result<Option<(Displaced, Option<Piece>)>, Error> {
    let bytes = image.source.read_at(piece.range.start, piece.range.size)?;
    let order = image.encoding.note_order();
    let Some(Ok(first)) = Notes::new(&bytes, order, piece.align).next() else {
        return Ok(None);
    };
    // Three words, owner and descriptor, each padded.
    let padded = |size: usize| (size as u64).next_multiple_of(piece.align.max(4));
    let size = padded(12 + first.owner.len()) + padded(first.descriptor.len());
    let rest = piece.range.size.saturating_sub(size);
    let part = |at: u64, size: u64| Piece {
        range: FileRange::new(piece.range.start + at, size),
        address: piece.address + at,
        ..*piece
    };
    let kept = part(0, piece.range.size - rest);
    if !has_own_header(image, piece) || !has_build_id(image, &kept) || kept.range.end() > FIRST_PAGE
    {
        return Ok(None);
    }
    let Some(place) = take(holes, &kept) else {
        return Ok(None);
    };
    let kept = Displaced {
        piece: kept,
        to: Destination::Vacated(place),
    };
    Ok(Some((kept, (rest > 0).then(|| part(size, rest)))))
}
