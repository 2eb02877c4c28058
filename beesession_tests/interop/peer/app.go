package main

import (
	"encoding/json"
	"fmt"

	"github.com/beego/beego/v2/server/web"
)

// app is the application. A method answers in JSON: what it says, or with the status 500 an "error".
type app struct{ web.Controller }

// The names under which Django keeps who has logged in.
const (
	userID      = "_auth_user_id"
	userBackend = "_auth_user_backend"
	userHash    = "_auth_user_hash"
)

// Index answers when the application is there.
func (a *app) Index() { a.say("beego", nil) }

// SetValues takes a list of [key, value], and sets them.
func (a *app) SetValues() {
	var pairs [][]tagged
	if err := a.body(&pairs); err != nil {
		a.say(nil, err)
		return
	}
	values, err := contentOf(pairs)
	for key, value := range values {
		if err == nil {
			err = a.SetSession(key, value)
		}
	}
	a.say(true, err)
}

// GetValues takes a list of keys, and answers the list of what they have.
func (a *app) GetValues() {
	var keys []tagged
	if err := a.body(&keys); err != nil {
		a.say(nil, err)
		return
	}
	a.say(lookUp(keys, a.GetSession))
}

// DelValues takes a list of keys, and removes them.
func (a *app) DelValues() {
	var nodes []tagged
	if err := a.body(&nodes); err != nil {
		a.say(nil, err)
		return
	}
	keys, err := valuesOf(nodes)
	for _, key := range keys {
		if err == nil {
			err = a.DelSession(key)
		}
	}
	a.say(true, err)
}

// Count counts under ?key= and answers the new number. What is no int there is an error that names its type.
func (a *app) Count() {
	key := a.GetString("key")
	found := a.GetSession(key)
	number, isInt := found.(int)
	if found != nil && !isInt {
		a.say(nil, fmt.Errorf("%T", found))
		return
	}
	a.say(number+1, a.SetSession(key, number+1))
}

// Sid answers the id of the session.
func (a *app) Sid() { a.say(a.StartSession().SessionID(background), nil) }

// Regenerate gives the session a new id, and answers it.
func (a *app) Regenerate() {
	if err := a.SessionRegenerateID(); err != nil {
		a.say(nil, err)
		return
	}
	a.Sid()
}

// End destroys the session.
func (a *app) End() { a.say(true, a.DestroySession()) }

// Active answers how many sessions beego counts.
func (a *app) Active() { a.say(web.GlobalSessions.GetActiveSession(), nil) }

// Collect has beego's garbage collected.
func (a *app) Collect() {
	web.GlobalSessions.GetProvider().SessionGC(background)
	a.say(true, nil)
}

// User answers the id of the user who has logged in, in Django or here, as "user"; null when nobody has.
func (a *app) User() {
	switch id := a.GetSession(userID).(type) {
	case nil, string:
		a.say(answer{"user": id}, nil)
	default:
		a.say(nil, fmt.Errorf("%T", id))
	}
}

// Login takes what Django keeps of a login, and logs in so, under a new session id.
func (a *app) Login() {
	var login map[string]string
	if err := a.body(&login); err != nil {
		a.say(nil, err)
		return
	}
	if canRegenerate() {
		if err := a.SessionRegenerateID(); err != nil {
			a.say(nil, err)
			return
		}
	}
	for _, key := range []string{userID, userBackend, userHash} {
		if err := a.SetSession(key, login[key]); err != nil {
			a.say(nil, err)
			return
		}
	}
	a.say(true, nil)
}

// canRegenerate returns whether beego's engine can give a session a new id: that of cookies returns no session then, and
// that of memcache panics.
func canRegenerate() bool {
	provider := web.BConfig.WebConfig.Session.SessionProvider
	return provider != "cookie" && provider != "memcache"
}

// body reads the JSON that was sent.
func (a *app) body(into any) error {
	return json.NewDecoder(a.Ctx.Request.Body).Decode(into)
}

// say answers.
func (a *app) say(value any, err error) {
	if err != nil {
		a.Ctx.Output.SetStatus(500)
		value = answer{"error": err.Error()}
	}
	a.saveCookie()
	a.Data["json"] = value
	// What cannot be written to a client that has gone is of no use to anybody.
	_ = a.ServeJSON()
}

// saveCookie saves the session now if the engine keeps it in a cookie. beego itself saves when the body has been
// written, and that is too late for a header.
func (a *app) saveCookie() {
	if store := a.Ctx.Input.CruSession; store != nil && web.BConfig.WebConfig.Session.SessionProvider == "cookie" {
		store.SessionRelease(background, a.Ctx.ResponseWriter)
	}
}
