package shared

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beego/beego/v2/server/web/session"
)

type named struct{ N int }

func TestATypeMayBeRegisteredUnderAnyName(t *testing.T) {
	gob.RegisterName("app/named", named{})
	data, err := Encode(Values{"a": named{1}})
	if err != nil {
		t.Fatal(err)
	}
	if values, err := Decode(data); err != nil || values["a"] != (named{1}) {
		t.Errorf("%v, %v", values, err)
	}
}

func TestANilThatAnotherWriterStoredSurvives(t *testing.T) {
	data, err := Encode(Values{"nil": nil, "a": 1})
	if err != nil {
		t.Fatal(err)
	}
	values, err := Decode(data)
	if value, there := values["nil"]; err != nil || !there || value != nil || values["a"] != 1 {
		t.Errorf("%v, %v", values, err)
	}
}

func TestAProviderThatIsNotInitialisedSaysSo(t *testing.T) {
	provider := NewProvider("some", false, nil)
	if _, err := provider.SessionRead(context.Background(), "abc"); err == nil {
		t.Error("SessionRead: no error")
	}
	if _, err := provider.SessionExist(context.Background(), "abc"); err == nil {
		t.Error("SessionExist: no error")
	}
	if err := provider.SessionDestroy(context.Background(), "abc"); err == nil {
		t.Error("SessionDestroy: no error")
	}
	if err := provider.Close(); err != nil {
		t.Error(err)
	}
}

func TestASaveIsTriedAtOnceAndThenWithPauses(t *testing.T) {
	attempt, began := newAttempts(), time.Now()
	for i := 0; i < triesAtOnce; i++ {
		if !attempt.next() || attempt.window != 0 {
			t.Fatal("not at once")
		}
	}
	attempt.deadline = began.Add(50 * time.Millisecond)
	for attempt.next() {
		if attempt.window > longestWindow {
			t.Fatalf("a window of %v", attempt.window)
		}
	}
	if spent := time.Since(began); spent < 50*time.Millisecond || spent > time.Second {
		t.Errorf("gave up after %v", spent)
	}
}

func TestTurnsAreTakenOneAfterAnother(t *testing.T) {
	key, held, most := turnKey{sid: "abc"}, 0, 0
	var guard sync.Mutex
	var takers sync.WaitGroup
	for i := 0; i < 20; i++ {
		takers.Add(1)
		go func() {
			defer takers.Done()
			defer inTurn.take(key, time.Minute)()
			count := func(change int) {
				guard.Lock()
				defer guard.Unlock()
				held += change
				most = max(most, held)
			}
			count(1)
			time.Sleep(time.Millisecond)
			count(-1)
		}()
	}
	takers.Wait()
	if most != 1 {
		t.Errorf("%d had it at once", most)
	}
	end := inTurn.take(key, time.Minute)
	inTurn.take(key, time.Millisecond)() // goes ahead without
	end()
	if len(inTurn.of) != 0 {
		t.Errorf("%d turns are left behind", len(inTurn.of))
	}
}

func TestAnErrorThatMayBeShownLeadsToTheOriginal(t *testing.T) {
	original := fmt.Errorf("id-of-a-session: %w", io.ErrUnexpectedEOF)
	failed := Explain("some", original, nil)
	if !errors.Is(failed, io.ErrUnexpectedEOF) {
		t.Error("it does not")
	}
	if text := fmt.Sprintf("%v %+v %#v", failed, failed, failed); strings.Contains(text, "id-of") {
		t.Error(text)
	}
}

var _ session.Store = (*Session)(nil)
var _ session.Provider = (*Provider)(nil)
