// Package beesession holds what the session providers below it have in common for an application: where errors go, and
// what they are.
//
// The providers are drop-in replacements for beego's own ones. Their sessions are shared with a Django site that runs
// beesession with CODEC "gob", and they keep its promises: no update is lost, and no logout is undone.
package beesession

import (
	"errors"

	"github.com/beego/beego/v2/server/web/session"
)

// OnError is called with each error that beego's interface has no way to return: above all, that a release could not
// save. It names neither the session id nor any of its data. Set it before the first request; by default, and when
// it is nil, errors go to beego's own session log. It is called from many goroutines at once.
var OnError func(error)

var (
	// ErrGone says that the session has ended since the request read it: it was destroyed, it got another id, or it
	// has expired. The request's changes are lost; they would have brought the session back.
	ErrGone = errors.New("beesession: the session has ended meanwhile; nothing was saved")

	// ErrLoginChanged says that the stored session belongs to another login than the one that the request read, or
	// that two requests have logged in at the same time. Nothing was saved.
	ErrLoginChanged = errors.New("beesession: the login of the session has changed meanwhile; nothing was saved")

	// ErrConflict says that other requests were faster at each try, for as long as a save may take. Nothing was saved.
	ErrConflict = errors.New("beesession: other requests changed the session at each try; nothing was saved")

	// ErrTooLarge says that the store does not hold sessions of that size. Nothing was saved.
	ErrTooLarge = errors.New("beesession: the session is larger than the store allows; nothing was saved")

	// ErrTaken says that the new id of a session belongs to another session.
	ErrTaken = errors.New("beesession: the session id is taken")

	// ErrBadID says that something cannot be the id of a session in this store.
	ErrBadID = errors.New("beesession: this cannot be the id of a session")

	// ErrNil says that nil cannot be the value of a session key: beego's own providers would panic when they save it.
	ErrNil = errors.New("beesession: nil cannot be the value of a session key; delete the key instead")
)

// Report hands an error to OnError. The providers call it; an application need not.
func Report(err error) {
	if handle := OnError; handle != nil {
		handle(err)
		return
	}
	session.SLogger.Println(err)
}
