package main

import (
	"encoding/json"
	"fmt"

	"github.com/beego/beego/v2/core/logs"
	"github.com/beego/beego/v2/server/web"
	beecontext "github.com/beego/beego/v2/server/web/context"
)

// runWeb runs a web application, with the httpaddr, httpport, sessionon, sessionprovider and so on of an app.conf.
//
// A key of our own is there as well: peertypes, a JSON list of types that the application registers, as Go spells them.
func runWeb(conffile string) error {
	if err := web.LoadAppConfig("ini", conffile); err != nil {
		return err
	}
	logs.SetLevel(logs.LevelError)
	registerNamed()
	if err := registerConfigured(); err != nil {
		return err
	}
	web.BConfig.WebConfig.AutoRender = false
	web.BConfig.RecoverFunc = answerPanic
	route("/", "get:Index", withoutSession)
	route("/set", "post:SetValues")
	route("/get", "post:GetValues")
	route("/del", "post:DelValues")
	route("/count", "post:Count")
	route("/sid", "get:Sid")
	route("/regenerate", "post:Regenerate")
	route("/destroy", "post:End")
	route("/user", "get:User")
	route("/login", "post:Login")
	route("/slow", "post:Slow")
	route("/late", "post:Late")
	route("/waiting", "get:Waiting", withoutSession)
	route("/go", "post:LetGo", withoutSession)
	route("/active", "get:Active", withoutSession)
	route("/gc", "post:Collect", withoutSession)
	web.Run()
	return fmt.Errorf("the server has ended")
}

// withoutSession keeps beego from beginning a session for who comes without one, and so from counting it.
var withoutSession = web.WithRouterSessionOn(false)

func route(path, method string, options ...web.ControllerOption) {
	options = append([]web.ControllerOption{web.WithRouterMethods(&app{}, method)}, options...)
	web.RouterWithOpts(path, &app{}, options...)
}

func registerConfigured() error {
	configured, err := web.AppConfig.String("peertypes")
	if err != nil || configured == "" {
		return err
	}
	var spellings []string
	if err := json.Unmarshal([]byte(configured), &spellings); err != nil {
		return fmt.Errorf("peertypes: %w", err)
	}
	return registerSpelled(spellings)
}

// answerPanic stands in for beego's own answer to a panic, which is a page. As there, nothing is told of one that comes
// when the request has been answered: while the session is saved.
func answerPanic(ctx *beecontext.Context, _ *web.Config) {
	panicked := recover()
	if panicked == nil || panicked == web.ErrAbort {
		return
	}
	if ctx.ResponseWriter.Started {
		logs.Critical("panic after the answer: %v", panicked)
		return
	}
	ctx.Output.SetStatus(500)
	// What cannot be written to a client that has gone is of no use to anybody.
	_ = ctx.Output.JSON(answer{"error": fmt.Sprint(panicked), "panic": true}, false, false)
}
