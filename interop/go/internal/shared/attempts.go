package shared

import (
	"math/rand"
	"time"
)

const (
	saveWithin    = 5 * time.Second
	triesAtOnce   = 3
	firstWindow   = 500 * time.Microsecond
	longestWindow = 5 * time.Millisecond
)

// attempts paces the tries of a save that others keep getting ahead of. The first ones follow at once. Then the wait is
// drawn from a window that grows to a few milliseconds only: it has to part the writers, and a window that went on
// growing would starve the unlucky ones.
type attempts struct {
	made     int
	window   time.Duration
	deadline time.Time
}

func newAttempts() *attempts {
	return &attempts{deadline: time.Now().Add(saveWithin)}
}

// left returns how much longer tries may be made.
func (a *attempts) left() time.Duration { return time.Until(a.deadline) }

// next waits for the next try, and tells whether to make it. The first one is always made.
func (a *attempts) next() bool {
	a.made++
	switch {
	case a.made <= triesAtOnce:
	case a.window == 0:
		a.window = firstWindow
	default:
		a.window = min(2*a.window, longestWindow)
	}
	if a.window > 0 {
		time.Sleep(time.Duration(rand.Int63n(int64(a.window))))
	}
	return a.made == 1 || a.left() > 0
}
