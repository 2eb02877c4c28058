package shared

import (
	"context"
	"regexp"
	"strings"
)

// Record is what a server has under the id of a session.
type Record struct {
	// Data is the encoded session. It may be empty, which is an empty session.
	Data []byte
	// Token is by what the backend knows this very state again, where the data is not enough; nil when it has none.
	Token any
}

// Backend is the sessions on one kind of server, as bytes. It is used by many goroutines at once.
//
// Its errors hold neither ids nor data. Some of them are answers: *Conflict, beesession.ErrGone, beesession.ErrTaken.
type Backend interface {
	// Read returns the live record, or nil when there is none, or when its id was revoked.
	Read(ctx context.Context, sid string) (*Record, error)
	// Exists returns whether Read would return a record.
	Exists(ctx context.Context, sid string) (bool, error)
	// Create stores a record under an id that has none. It fails with a *Conflict when there is one, and with ErrGone
	// when the id was revoked.
	Create(ctx context.Context, sid string, data []byte) (*Record, error)
	// Swap stores data in the place of a record. It fails with a *Conflict when another one is there, and with ErrGone
	// when there is none.
	Swap(ctx context.Context, sid string, old *Record, data []byte) (*Record, error)
	// Touch gives the record its full lifetime again. It fails with ErrGone when there is none.
	Touch(ctx context.Context, sid string) error
	// Move gives a record another id and its full lifetime, and revokes the old id. It returns nil when there was no
	// record; it fails with ErrTaken when the new id has one.
	Move(ctx context.Context, oldSid, newSid string) (*Record, error)
	// Destroy removes a record and revokes its id, whether or not there was a record.
	Destroy(ctx context.Context, sid string) error
	// Count returns the number of live sessions, or 0 where the server cannot be asked.
	Count(ctx context.Context) (int, error)
	// Collect removes what has expired, where the server does not do that by itself.
	Collect(ctx context.Context) error
	// Close ends the connections.
	Close() error
}

// Conflict is the answer to a write that was based on another record than the one that is stored.
type Conflict struct {
	// Current is what is stored; nil when it has to be read.
	Current *Record
}

func (*Conflict) Error() string { return "beesession: another record is stored" }

// MarkSuffix ends the key of each revocation mark. No id of a session may end like that.
const MarkSuffix = ":r"

const longestID = 160

var visible = regexp.MustCompile(`^[!-~]+$`)

// IsID tells whether a string can be the id of a session. It comes from a cookie and may be anything.
func IsID(sid string) bool {
	return len(sid) <= longestID && visible.MatchString(sid) && !strings.HasSuffix(sid, MarkSuffix)
}
