//! From stored updates to a document.

use confluo_protocol::{
    UpdateV1,
    update::{ItemPlaces, NestedTooDeep, UpdateLimits, check_own},
};

use super::Document;

impl Document {
    /// Builds a document from stored updates, oldest first. Those that cannot be applied are left out, and their
    /// places in `updates` returned. A document that nests too deep is refused whole: what is stored passed
    /// [`Document::admit`], so it was damaged or comes from elsewhere, and the next deletion would end the process.
    pub(crate) fn load(updates: &[UpdateV1]) -> Result<(Self, Vec<usize>), NestedTooDeep> {
        let mut places = ItemPlaces::default();
        let mut subdocuments = Vec::new();
        for update in updates {
            // What yrs wrote and our check does not read, yrs may still read.
            if let Ok(checked) = check_own(update.clone(), &UpdateLimits::default()) {
                places.load(&checked, |_| u32::MAX)?;
                subdocuments.extend_from_slice(checked.subdocuments());
            }
        }
        let (mut document, refused) = Self::load_checked(updates);
        document.places = places;
        document.subdocuments = subdocuments;
        document.read_clocks();
        Ok((document, refused))
    }

    fn load_checked(updates: &[UpdateV1]) -> (Self, Vec<usize>) {
        let mut document = Self::empty();
        if let Ok(was_pruned) = document.restore(updates) {
            document.lost_content = was_pruned;
            return (document, Vec::new());
        }
        let mut refused: Vec<usize> = Vec::new();
        let mut document = Self::empty();
        for (place, update) in updates.iter().enumerate() {
            if document.restore(std::slice::from_ref(update)).is_err() {
                refused.push(place);
                document = Self::empty();
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
