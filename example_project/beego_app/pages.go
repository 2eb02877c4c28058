package main

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"strconv"
	"time"

	"github.com/beego/beego/v2/core/logs"
	"github.com/beego/beego/v2/server/web"
)

//go:embed views/home.html
var source string

var page = template.Must(template.New("home").Parse(source))

// Visit is the last thing that was done here. example_project/visits.py has the same, for the Django site.
type Visit struct {
	Action string
	At     time.Time
}

// Pages is the application. Each action ends in a redirect, so that a reload repeats nothing.
type Pages struct{ web.Controller }

// Home shows the session.
func (p *Pages) Home() {
	flash := web.ReadFromRequest(&p.Controller)
	user, err := p.user()
	if err != nil {
		p.fail(err)
		return
	}
	count, _ := p.GetSession("asta").(int)
	cart, _ := p.GetSession("cart").([]any)
	visit, _ := p.GetSession("beego").(Visit)
	found, total := rows(cart)
	djangoURL, _ := web.AppConfig.String("djangourl")
	var text bytes.Buffer
	err = page.Execute(&text, map[string]any{
		"Count": count, "Rows": found, "Total": total, "User": user, "Visit": visit,
		"Success": flash.Data["success"], "Error": flash.Data["error"],
		"Django": djangoURL, "Engine": web.BConfig.WebConfig.Session.SessionProvider,
	})
	if err != nil {
		p.fail(err)
		return
	}
	p.Ctx.Output.Header("Content-Type", "text/html; charset=utf-8")
	p.Ctx.Output.Header("Cache-Control", "no-store")
	// What cannot be written to a browser that has gone is of no use to anybody.
	_ = p.Ctx.Output.Body(text.Bytes())
}

// Count counts on where the Django site has stopped.
func (p *Pages) Count() {
	count, _ := p.GetSession("asta").(int)
	p.done("counted", "Counted.", p.SetSession("asta", count+1))
}

// AddToCart puts one of a good into the cart.
func (p *Pages) AddToCart() {
	slug := p.GetString("good")
	if !onSale(slug) {
		p.Abort("404")
	}
	cart, _ := p.GetSession("cart").([]any)
	p.done("filled the cart", "It is in the cart.", p.SetSession("cart", addTo(cart, slug)))
}

// LogIn checks a name and a password, and makes a login that holds on the Django site as well.
func (p *Pages) LogIn() {
	user, err := django.Authenticate(p.GetString("username"), p.GetString("password"))
	if err != nil {
		p.fail(err)
		return
	}
	if user == nil {
		p.say("error", "That name and password do not belong together. Both stand above the form.")
		return
	}
	p.done("logged in", "Welcome, "+user.Name+". You are logged in on both sides.", p.become(user))
}

// become makes the session that of a user. It gets a new id, as at each login; what it held stays, unless it was another
// user's.
func (p *Pages) become(user *User) error {
	id := strconv.FormatInt(user.ID, 10)
	if before := p.GetSession(userIDKey); before != nil && before != id {
		if err := p.StartSession().Flush(context.Background()); err != nil {
			return err
		}
	}
	if err := p.SessionRegenerateID(); err != nil {
		return err
	}
	login := map[string]string{userIDKey: id, backendKey: modelBackend, hashKey: django.SessionAuthHash(user)}
	for key, value := range login {
		if err := p.SetSession(key, value); err != nil {
			return err
		}
	}
	return nil
}

// LogOut ends the session, on both sides.
func (p *Pages) LogOut() {
	if err := p.DestroySession(); err != nil {
		p.fail(err)
		return
	}
	p.say("success", "You are logged out, and the session is gone.")
}

// Regenerate gives the session a new id.
func (p *Pages) Regenerate() {
	p.done("took a new id", "The session has a new id. The old one opens nothing any more.", p.SessionRegenerateID())
}

// user returns who has logged in, here or on the Django site; nil for nobody.
func (p *Pages) user() (*User, error) {
	id, _ := p.GetSession(userIDKey).(string)
	hash, _ := p.GetSession(hashKey).(string)
	if id == "" {
		return nil, nil
	}
	return django.Verified(id, hash)
}

// done notes down what was done in the session, tells of it, and goes back to the page.
func (p *Pages) done(action, message string, err error) {
	if err == nil {
		err = p.SetSession("beego", Visit{action, time.Now()})
	}
	if err != nil {
		p.fail(err)
		return
	}
	p.say("success", message)
}

func (p *Pages) say(kind, message string) {
	flash := web.NewFlash()
	flash.Set(kind, "%s", message)
	flash.Store(&p.Controller)
	p.Redirect("/", 303)
}

func (p *Pages) fail(err error) {
	logs.Error("%v", err)
	p.CustomAbort(500, "This did not work. The log has the reason.")
}
