package beesession

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/beego/beego/v2/server/web/session"
)

func TestErrorsGoToTheSessionLogUnlessTheApplicationTakesThem(t *testing.T) {
	var log bytes.Buffer
	before := session.SLogger
	session.SLogger = session.NewSessionLog(&log)
	t.Cleanup(func() { session.SLogger, OnError = before, nil })

	Report(ErrConflict)
	if !strings.Contains(log.String(), ErrConflict.Error()) {
		t.Errorf("logged %q", log.String())
	}
	log.Reset()
	var reported error
	OnError = func(err error) { reported = err }
	Report(ErrConflict)
	if !errors.Is(reported, ErrConflict) || log.Len() > 0 {
		t.Errorf("reported %v, logged %q", reported, log.String())
	}
}
