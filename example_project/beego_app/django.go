package main

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	_ "github.com/ncruces/go-sqlite3/driver"
	_ "github.com/ncruces/go-sqlite3/embed"
)

// The three session keys that are a login in Django.
const (
	userIDKey  = "_auth_user_id"
	backendKey = "_auth_user_backend"
	hashKey    = "_auth_user_hash"
)

// modelBackend is the one of AUTHENTICATION_BACKENDS by which Django will load the user.
const modelBackend = "django.contrib.auth.backends.ModelBackend"

// nobody is compared with where there is no such user, so that the time that takes does not tell.
const nobody = "pbkdf2_sha256$1000000$nobody$"

var django *Django

// Django is what a program needs to take part in the logins of a Django site: its users, and its SECRET_KEY.
type Django struct {
	users     *sql.DB
	secretKey string
}

// User is one who may log in.
type User struct {
	ID       int64
	Name     string
	password string // as Django stores it: algorithm, iterations, salt and hash
}

func openDjango(folder string) (*Django, error) {
	secret, err := os.ReadFile(filepath.Join(folder, "secret_key"))
	if err != nil {
		return nil, err
	}
	database := url.URL{Scheme: "file", Opaque: url.PathEscape(filepath.Join(folder, "demo.sqlite3")), RawQuery: "mode=ro"}
	users, err := sql.Open("sqlite3", database.String())
	if err != nil {
		return nil, err
	}
	return &Django{users, string(secret)}, users.Ping()
}

// Authenticate returns the user of this name if the password is right, else nil.
func (d *Django) Authenticate(name, password string) (*User, error) {
	user, err := d.find("username", name)
	if err != nil {
		return nil, err
	}
	if user == nil {
		_, err = passwordFits(nobody, password)
		return nil, err
	}
	fits, err := passwordFits(user.password, password)
	if !fits {
		return nil, err
	}
	return user, nil
}

// Verified returns the user whom a session names, if the login still holds: it ends when the password is changed, and
// when the user is made inactive.
func (d *Django) Verified(id, hash string) (*User, error) {
	user, err := d.find("id", id)
	if user == nil || !hmac.Equal([]byte(d.SessionAuthHash(user)), []byte(hash)) {
		return nil, err
	}
	return user, nil
}

// SessionAuthHash returns what Django keeps under _auth_user_hash, and compares at each request.
func (d *Django) SessionAuthHash(user *User) string {
	key := sha256.Sum256([]byte("django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash" + d.secretKey))
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(user.password))
	return hex.EncodeToString(mac.Sum(nil))
}

func (d *Django) find(column, value string) (*User, error) {
	var user User
	query := "SELECT id, username, password FROM auth_user WHERE is_active AND " + column + " = ?"
	err := d.users.QueryRow(query, value).Scan(&user.ID, &user.Name, &user.password)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &user, err
}

// passwordFits compares a password with one as Django's default hasher stores it.
func passwordFits(stored, password string) (bool, error) {
	parts := strings.SplitN(stored, "$", 4)
	if len(parts) != 4 || parts[0] != "pbkdf2_sha256" {
		return false, fmt.Errorf("the password was stored by another hasher than PBKDF2PasswordHasher")
	}
	iterations, err := strconv.Atoi(parts[1])
	if err != nil {
		return false, err
	}
	hash, err := pbkdf2.Key(sha256.New, password, []byte(parts[2]), iterations, sha256.Size)
	if err != nil {
		return false, err
	}
	return hmac.Equal([]byte(base64.StdEncoding.EncodeToString(hash)), []byte(parts[3])), nil
}
