//! The boxes of a movie box, by the kinds that a plain file has and no other.
//!
//! The decoder's own walk follows boxes in boxes however deep, passes over what
//! it does not know, and keeps the last of two where ffmpeg keeps the first.
//! Here each level is named, each kind is there once, and only leaves are decoded.

use mp4_atom::Atom;

/// More boxes in one box are not plain.
const MOST: usize = 32;

/// The boxes directly in one box.
pub(super) struct Tree<'a>(Vec<([u8; 4], &'a [u8])>);

impl<'a> Tree<'a> {
    /// Splits a body whose boxes fill it and are all of the kinds named here.
    pub(super) fn of(mut body: &'a [u8], kinds: &[&[u8; 4]]) -> Option<Tree<'a>> {
        let mut boxes = Vec::new();
        while let Some((size, rest)) = body.split_first_chunk::<4>() {
            let kind = *rest.first_chunk::<4>()?;
            let end = u32::from_be_bytes(*size) as usize;
            boxes.push((kind, body.get(8..end)?));
            body = body.get(end..)?;
            (kinds.contains(&&kind) && boxes.len() <= MOST).then_some(())?;
        }
        body.is_empty().then_some(Tree(boxes))
    }

    /// Kind and body of the only box.
    pub(super) fn only(&self) -> Option<([u8; 4], &'a [u8])> {
        if let [only] = self.0.as_slice() { Some(*only) } else { None }
    }

    /// The bodies of one kind.
    pub(super) fn all(&self, kind: &[u8; 4]) -> impl Iterator<Item = &'a [u8]> {
        let kind = *kind;
        self.0.iter().filter(move |(other, _)| *other == kind).map(|(_, body)| *body)
    }

    /// The body of the one box of a kind; none if there are two.
    pub(super) fn body(&self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        let mut all = self.all(kind);
        all.next().filter(|_| all.next().is_none())
    }

    /// What the one box of its kind holds, to its last byte.
    pub(super) fn leaf<T: Atom>(&self) -> Option<T> {
        let mut body = self.body(&T::KIND.into())?;
        T::decode_body(&mut body).ok().filter(|_| body.is_empty())
    }

    /// The same of a box that need not be there: the outer none is for one that cannot be read.
    pub(super) fn leaf_if_any<T: Atom>(&self) -> Option<Option<T>> {
        if self.all(&T::KIND.into()).next().is_none() { Some(None) } else { self.leaf().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], inner: &[u8]) -> Vec<u8> {
        let size = u32::try_from(inner.len() + 8).expect("a small box");
        [&size.to_be_bytes()[..], kind, inner].concat()
    }

    #[test]
    fn every_byte_must_belong_to_a_box_of_a_known_kind() {
        let body = [boxed(b"mdia", b"1234"), boxed(b"edts", b"")].concat();
        let kinds: [&[u8; 4]; 2] = [b"mdia", b"edts"];
        let tree = Tree::of(&body, &kinds).expect("plain");
        assert_eq!(tree.body(b"mdia"), Some(&b"1234"[..]));
        for end in 1..body.len() {
            let whole = end == 12;
            assert_eq!(Tree::of(&body[..end], &kinds).is_some(), whole, "cut at {end}");
        }
        assert!(Tree::of(&body, &kinds[..1]).is_none(), "an unknown kind");
        assert!(Tree::of(&boxed(b"mdia", b"").repeat(MOST + 1), &kinds).is_none(), "too many");
    }

    #[test]
    fn a_box_that_is_there_twice_is_none() {
        let body = boxed(b"mdia", b"").repeat(2);
        let tree = Tree::of(&body, &[b"mdia"]).expect("boxes");
        assert_eq!((tree.body(b"mdia"), tree.all(b"mdia").count()), (None, 2));
    }
}
