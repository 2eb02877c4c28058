package shared

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"beesession/interop/go"
)

// Failure is an error of a server, or of the way to it. Its text leaves out what the server's may quote: session ids
// and data. errors.Is and errors.As find the original.
type Failure struct {
	provider, what string
	cause          error
}

func (failure *Failure) Error() string {
	return fmt.Sprintf("beesession: the %s store cannot be reached, or answered with an error (%s)",
		failure.provider, failure.what)
}

// GoString keeps the cause out of what %#v prints.
func (failure *Failure) GoString() string { return failure.Error() }

// Unwrap returns the original error, which may quote ids and data.
func (failure *Failure) Unwrap() error { return failure.cause }

var answers = []error{
	beesession.ErrGone, beesession.ErrTaken, beesession.ErrTooLarge, beesession.ErrBadID, beesession.ErrConflict,
	beesession.ErrLoginChanged,
}

// Explain makes an error of a client library one that may be shown.
//
// tell returns what may be told of an error of the server, and "" for other errors; nil tells nothing.
func Explain(provider string, err error, tell func(error) string) error {
	if err == nil || isAnswer(err) {
		return err
	}
	what := ""
	if tell != nil {
		what = tell(err)
	}
	var network net.Error
	switch {
	case what != "":
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, context.DeadlineExceeded):
		what = err.Error()
	default:
		what = fmt.Sprintf("%T", err)
	}
	return &Failure{provider, what, err}
}

func isAnswer(err error) bool {
	var conflict *Conflict
	var failure *Failure
	if errors.As(err, &conflict) || errors.As(err, &failure) {
		return true
	}
	for _, answer := range answers {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}
