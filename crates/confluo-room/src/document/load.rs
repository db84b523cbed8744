//! From stored updates to a document.

use confluo_protocol::{
    UpdateV1,
    update::{ItemPlaces, NestedTooDeep, UpdateLimits, check_own},
};

use super::{Document, subdocuments::Subdocuments};

impl Document {
    /// Builds a document from stored updates, oldest first. Those that cannot be applied are left out, and their
    /// places in `updates` returned. A document that nests too deep is refused whole: what is stored passed
    /// [`Document::admit`], so it was damaged or comes from elsewhere, and the next deletion would end the process.
    pub(crate) fn load(updates: &[UpdateV1]) -> Result<(Self, Vec<usize>), NestedTooDeep> {
        let mut places = ItemPlaces::default();
        let mut subdocuments = Subdocuments::default();
        for update in updates {
            if let Ok(checked) = check_own(update.clone(), &UpdateLimits::default()) {
                places.load(&checked, |_| u32::MAX)?;
                subdocuments.extend(checked.subdocuments().iter().copied());
            } else {
                // What yrs wrote and our check does not read, yrs may still read.
                subdocuments.note_unknown();
            }
        }
        let (mut document, refused) = Self::load_checked(updates, &subdocuments);
        document.places = places;
        document.read_clocks();
        Ok((document, refused))
    }

    /// `subdocuments` are those of all updates, so that whatever was built is freed with them.
    fn load_checked(updates: &[UpdateV1], subdocuments: &Subdocuments) -> (Self, Vec<usize>) {
        let empty = || {
            let mut document = Self::empty();
            document.subdocuments = subdocuments.clone();
            document
        };
        let mut document = empty();
        if let Ok(was_pruned) = document.restore(updates) {
            document.lost_content = was_pruned;
            return (document, Vec::new());
        }
        let mut refused: Vec<usize> = Vec::new();
        let mut document = empty();
        for (place, update) in updates.iter().enumerate() {
            if document.restore(std::slice::from_ref(update)).is_err() {
                refused.push(place);
                document = empty();
                let kept: Vec<_> = updates[..place]
                    .iter()
                    .enumerate()
                    .filter(|(kept, _)| !refused.contains(kept))
                    .map(|(_, update)| update.clone())
                    .collect();
                // Each of these was applied before, in this order.
                let _ = document.restore(&kept);
            }
        }
        (document, refused)
    }
}
