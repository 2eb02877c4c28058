package shared

import (
	"sync"
	"time"
)

// turns lets the goroutines of this process that write one session try one after another, once they have collided. To
// compare and set needs no lock, but where hundreds write one session at once, each success makes all others try
// again. Nothing depends on a turn for being right: who waits too long goes ahead without one.
type turns struct {
	mu sync.Mutex
	of map[turnKey]*turn
}

type turnKey struct {
	backend Backend
	sid     string
}

type turn struct {
	free  chan struct{} // holds one token, unless somebody has it
	users int
}

var inTurn = turns{of: map[turnKey]*turn{}}

// take waits for the turn, and returns what ends it.
func (t *turns) take(key turnKey, within time.Duration) (end func()) {
	t.mu.Lock()
	this, found := t.of[key]
	if !found {
		this = &turn{free: make(chan struct{}, 1)}
		this.free <- struct{}{}
		t.of[key] = this
	}
	this.users++
	t.mu.Unlock()

	timer := time.NewTimer(within)
	defer timer.Stop()
	taken := false
	select {
	case <-this.free:
		taken = true
	case <-timer.C:
	}
	return func() {
		if taken {
			this.free <- struct{}{}
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if this.users--; this.users == 0 {
			delete(t.of, key)
		}
	}
}
