package redis

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// MaxPoolSize is the pool size where the comma form of the provider string names none, as with beego.
var MaxPoolSize = 100

// settings is the JSON form of the provider string.
type settings struct {
	SavePath    string `json:"save_path"`
	Poolsize    int    `json:"poolsize"`
	Password    string `json:"password"`
	DbNum       int    `json:"db_num"`
	IdleTimeout string `json:"idle_timeout"`
	// IdleCheckFrequency is beego's, which looks at it and does not use it either.
	IdleCheckFrequency string `json:"idle_check_frequency"`
	MaxRetries         int    `json:"max_retries"`
}

// parse reads a provider string: a JSON object, or fields between commas. What an error says quotes none of it, as it
// may hold a password.
func parse(config string) (*redis.Options, error) {
	config = strings.TrimSpace(config)
	if !strings.HasPrefix(config, "{") {
		return fields(strings.Split(config, ",")), nil
	}
	var given settings
	if err := json.Unmarshal([]byte(config), &given); err != nil {
		return nil, errors.New("beesession: redis: the provider string is no JSON object of beego's")
	}
	idle, err := duration("idle_timeout", given.IdleTimeout)
	if err != nil {
		return nil, err
	}
	if _, err := duration("idle_check_frequency", given.IdleCheckFrequency); err != nil {
		return nil, err
	}
	return &redis.Options{
		Addr:            given.SavePath,
		Password:        given.Password,
		PoolSize:        given.Poolsize,
		DB:              given.DbNum,
		ConnMaxIdleTime: idle,
		MaxRetries:      given.MaxRetries,
	}, nil
}

// duration reads a duration of Go's. beego demands both of them; here an absent one means the client's default.
func duration(key, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("beesession: redis: %s in the provider string is no duration such as 30s", key)
	}
	return value, nil
}

// fields reads address, pool size, password, database, idle timeout in seconds, idle check frequency (not used) and
// retries. As with beego, what is no number counts as absent.
func fields(given []string) *redis.Options {
	given = append(given, make([]string, 7)...)
	return &redis.Options{
		Addr:            given[0],
		PoolSize:        number(given[1], MaxPoolSize),
		Password:        given[2],
		DB:              number(given[3], 0),
		ConnMaxIdleTime: time.Duration(number(given[4], 0)) * time.Second,
		MaxRetries:      number(given[6], 0),
	}
}

func number(text string, absent int) int {
	value, err := strconv.Atoi(text)
	if err != nil || value < 0 {
		return absent
	}
	return value
}
