"""What can go wrong with the ledger.

LedgerError
├── LedgerMissing        no ledger at that address
├── LedgerTooOld         its schema is older than this program
├── LedgerTooNew         its schema is newer than this program
├── LedgerUnreachable    the server refused, or the file is no database
├── LedgerLocked         another writer held it for too long
├── LedgerReadOnly       it cannot be written
├── RecordRejected       the database refused a value
├── CheckpointInvalid    not a checkpoint, or not signed by this log
└── RecordConflict       the record contradicts what is already written
    ├── ClipIdTaken      that clip is recorded, with another file
    ├── RunKeyTaken      that run key belongs to another request
    ├── RunUnknown       no run has that key
    ├── RunFinished      the run already ended with a clip
    ├── ReviewUnknown    no review item has that number
    ├── ReviewDecided    that review item was decided before
    ├── ReviewPending    that review item still waits
    ├── ReviewerRefused  that person's word does not count in this review
    └── NotOverridable   no person may approve what this decision is about
"""


class LedgerError(Exception):
    """Base of every ledger failure; `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class LedgerMissing(LedgerError):
    """No ledger at that address: no file, or a database without our tables."""


class LedgerTooOld(LedgerError):
    """The ledger's schema is older than this program."""


class LedgerTooNew(LedgerError):
    """The ledger's schema is newer than this program."""


class LedgerUnreachable(LedgerError):
    """The server cannot be reached, or the file is not a database."""


class LedgerLocked(LedgerError):
    """Another writer held the ledger longer than the waiting time."""


class LedgerReadOnly(LedgerError):
    """The ledger can be read but not written."""


class RecordRejected(LedgerError):
    """The database refused a value: wrong type, out of range, NaN in JSON."""


class CheckpointInvalid(LedgerError):
    """A text that is no checkpoint, or that no key of this log has signed."""


class RecordConflict(LedgerError):
    """The record contradicts what is already written."""


class ClipIdTaken(RecordConflict):
    """That clip is already recorded, with another file."""


class RunKeyTaken(RecordConflict):
    """That run key belongs to another request."""


class RunUnknown(RecordConflict):
    """No run has that key."""


class RunFinished(RecordConflict):
    """The run already ended with a clip; its status cannot change any more."""


class ReviewUnknown(RecordConflict):
    """No review item has that number."""


class ReviewDecided(RecordConflict):
    """That review item was already decided."""


class ReviewPending(RecordConflict):
    """That review item still waits, so there is nothing to re-open."""


class ReviewerRefused(RecordConflict):
    """That person's word does not count here: no name, their own request, or the second time."""


class NotOverridable(RecordConflict):
    """The policy's decision is one that no person may override."""
