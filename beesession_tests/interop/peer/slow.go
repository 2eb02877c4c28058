package main

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// patience is how long a slow request waits to be let go, and another one for it.
const patience = 10 * time.Second

// gate is where a slow request waits.
type gate struct {
	reached chan struct{} // closed when the request has come to it
	opened  chan struct{} // closed when it is let go
	once    sync.Once
}

// gates are those in use, by name. Whoever comes first makes one.
var gates = struct {
	sync.Mutex
	named map[string]*gate
}{named: map[string]*gate{}}

func gateOf(name string) *gate {
	gates.Lock()
	defer gates.Unlock()
	found, ok := gates.named[name]
	if !ok {
		found = &gate{reached: make(chan struct{}), opened: make(chan struct{})}
		gates.named[name] = found
	}
	return found
}

func forget(name string) {
	gates.Lock()
	defer gates.Unlock()
	delete(gates.named, name)
}

// within waits for a channel to be closed, and returns whether it was.
func within(closed <-chan struct{}) bool {
	select {
	case <-closed:
		return true
	case <-time.After(patience):
		return false
	}
}

// Slow is a request that takes long: with its session loaded it waits under ?name= until it is let go, and only then
// sets ?key= to the string ?value=. So beego saves what it has loaded long before. It answers whether it was let go,
// rather than tired of waiting.
func (a *app) Slow() {
	name := a.GetString("name")
	a.StartSession()
	waiting := gateOf(name)
	defer forget(name)
	close(waiting.reached) // a second one of the same name panics, and so is told
	letGo := within(waiting.opened)
	a.say(letGo, a.SetSession(a.GetString("key"), a.GetString("value")))
}

// Waiting answers as soon as the slow request of that name waits.
func (a *app) Waiting() {
	name := a.GetString("name")
	if !within(gateOf(name).reached) {
		a.say(nil, fmt.Errorf("no slow request %q has come", name))
		return
	}
	a.say(true, nil)
}

// LetGo lets the slow request of that name go on.
func (a *app) LetGo() {
	waiting := gateOf(a.GetString("name"))
	waiting.once.Do(func() { close(waiting.opened) })
	a.say(true, nil)
}

// Late is a request that takes as long as ?pause= says, in microseconds: it loads its session, waits, and sets ?key= to
// the string ?value=. It answers whether somebody was logged in when it had loaded, as "loaded", and when it was about
// to save, in Unix seconds, as "saving".
func (a *app) Late() {
	pause, err := strconv.Atoi(a.GetString("pause"))
	if err != nil {
		a.say(nil, err)
		return
	}
	loaded := a.GetSession(userID) != nil
	time.Sleep(time.Duration(pause) * time.Microsecond)
	err = a.SetSession(a.GetString("key"), a.GetString("value"))
	a.say(answer{"loaded": loaded, "saving": float64(time.Now().UnixNano()) / 1e9}, err)
}
