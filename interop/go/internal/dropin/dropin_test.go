// Package dropin tests what an application sees: the providers by their names, behind beego's session manager.
package dropin

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/beego/beego/v2/server/web/session"

	"beesession/interop/go/internal/contract"
	_ "beesession/interop/go/memcache"
	"beesession/interop/go/mysql"
	_ "beesession/interop/go/postgresql"
	_ "beesession/interop/go/redis"
)

const cookieName = "beegosessionID"

// browser keeps the cookie of one visitor.
type browser struct {
	*testing.T
	manager *session.Manager
	sid     string
}

// visit makes one request, as beego's router does.
func (b *browser) visit(act func(store session.Store, answer http.ResponseWriter, request *http.Request) session.Store) {
	b.Helper()
	request, answer := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	if b.sid != "" {
		request.AddCookie(&http.Cookie{Name: cookieName, Value: b.sid})
	}
	store, err := b.manager.SessionStart(answer, request)
	if err != nil {
		b.Fatal(err)
	}
	if store = act(store, answer, request); store != nil {
		store.SessionRelease(context.Background(), answer)
	}
	for _, cookie := range answer.Result().Cookies() {
		b.sid = cookie.Value
	}
}

func TestAVisitor(t *testing.T) {
	for name, variable := range map[string]string{
		"redis": "BEESESSION_REDIS", "memcache": "BEESESSION_MEMCACHE", "mysql": "BEESESSION_MYSQL", "postgresql": "BEESESSION_POSTGRESQL",
	} {
		t.Run(name, func(t *testing.T) {
			config := contract.Config(t, variable)
			switch name {
			case "mysql":
				mysql.TableName = "go_dropin"
				table(t, name, config, "DROP TABLE IF EXISTS go_dropin", "CREATE TABLE go_dropin (session_key CHAR(64) PRIMARY KEY, "+
					"session_data BLOB, session_expiry INT UNSIGNED NOT NULL)")
			case "postgresql":
				config += "&search_path=go_dropin"
				table(t, "postgres", config, "DROP SCHEMA IF EXISTS go_dropin CASCADE", "CREATE SCHEMA go_dropin",
					"CREATE TABLE session (session_key CHAR(64) PRIMARY KEY, session_data BYTEA, session_expiry TIMESTAMP NOT NULL)")
			}
			manager, err := session.NewManager(name, &session.ManagerConfig{
				CookieName: cookieName, EnableSetCookie: true, Gclifetime: 600, ProviderConfig: config,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = manager.GetProvider().(interface{ Close() error }).Close() })
			walk(&browser{T: t, manager: manager})
		})
	}
}

// table makes the table of the sessions, and drops it afterwards by the first statement.
func table(t *testing.T, driver, config string, statements ...string) {
	t.Helper()
	db, err := sql.Open(driver, config)
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string) {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range statements {
		run(statement)
	}
	t.Cleanup(func() {
		run(statements[0])
		_ = db.Close()
	})
}

func walk(b *browser) {
	ctx := context.Background()
	b.visit(func(store session.Store, _ http.ResponseWriter, _ *http.Request) session.Store {
		_ = store.Set(ctx, "cart", []string{"apple"})
		return store
	})
	first := b.sid
	b.visit(func(store session.Store, answer http.ResponseWriter, request *http.Request) session.Store {
		if cart, ok := store.Get(ctx, "cart").([]string); !ok || len(cart) != 1 {
			b.Errorf("the cart is %v", store.Get(ctx, "cart"))
		}
		store.SessionRelease(ctx, answer)
		renewed, err := b.manager.SessionRegenerateID(answer, request)
		if err != nil {
			b.Fatal(err)
		}
		_ = renewed.Set(ctx, "_auth_user_id", "7")
		return renewed
	})
	second := b.sid
	if first == second {
		b.Error("the visitor has no new id")
	}
	if found, err := b.manager.GetProvider().SessionExist(ctx, first); err != nil || found {
		b.Errorf("the old id: %v, %v", found, err)
	}
	b.visit(func(store session.Store, _ http.ResponseWriter, _ *http.Request) session.Store {
		if store.Get(ctx, "_auth_user_id") != "7" || store.Get(ctx, "cart") == nil {
			b.Error("the login, or the cart, is lost")
		}
		return store
	})
	b.visit(func(store session.Store, answer http.ResponseWriter, request *http.Request) session.Store {
		_ = store.Flush(ctx)
		b.manager.SessionDestroy(answer, request)
		return nil
	})
	b.sid = second
	b.visit(func(store session.Store, _ http.ResponseWriter, _ *http.Request) session.Store {
		if store.SessionID(ctx) == second || store.Get(ctx, "_auth_user_id") != nil {
			b.Error("the logout was undone")
		}
		return store
	})
	b.sid = strings.Repeat("no id", 100)
	b.visit(func(store session.Store, _ http.ResponseWriter, _ *http.Request) session.Store {
		if len(store.SessionID(ctx)) != 32 {
			b.Error("a foreign id was adopted")
		}
		return store
	})
}
