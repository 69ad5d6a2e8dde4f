package main

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pauseAfterError = 10 * time.Millisecond
	warmUp          = 200 * time.Millisecond
	warmUpLimit     = 10 * time.Second
	queueCalls      = 1 << 16
	// An interval is lengthened until this many calls per client have ended in it, or the time is over.
	callsPerClient = 2
	lengthenLimit  = 5 * time.Second
	lookEvery      = 5 * time.Millisecond
)

// job is what to do, as one line of JSON on standard input.
type job struct {
	Target string   `json:"target"` // service, stores or files
	Call   string   `json:"call"`   // upload, download or mix
	Bytes  int      `json:"bytes"`
	Users  []string `json:"users"`
	Tokens []string `json:"tokens"`
	// Calls per second in an open loop. 0: a closed loop.
	PerSecond   float64 `json:"per_second"`
	Address     string  `json:"address"`
	DatabaseURL string  `json:"database_url"`
	Connections int     `json:"connections"`
	Bucket      bucket  `json:"bucket"`
	Folder      string  `json:"folder"`
}

// client is one user: calls one after the other on one connection.
type client interface {
	learn() error // which version is stored now
	upload(body []byte) error
	download(size int) error
	close()
}

// result is what came of the calls that ended within the measured time.
type result struct {
	Seconds      float64        `json:"seconds"`
	Microseconds []int64        `json:"microseconds"` // of the successful calls
	Errors       map[string]int `json:"errors"`
}

// runJob prints "ready" when the load is steady. The interval begins with the next line of input ("begun") and ends
// with the line after it, if enough calls have ended by then, or a little later ("ended"). The load goes on until a
// third line. Then the result is printed as one line of JSON.
func runJob(input io.Reader, output io.Writer) error {
	lines := bufio.NewReader(input)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var work job
	if err := json.Unmarshal(line, &work); err != nil {
		return err
	}
	clients, closeAll, err := work.clients()
	if err != nil {
		return err
	}
	defer closeAll()
	load := newLoad(work, clients)
	if err := load.start(); err != nil {
		return err
	}
	fmt.Fprintln(output, "ready")
	if _, err := lines.ReadBytes('\n'); err != nil {
		return err
	}
	began := time.Now()
	before := load.finished.Load()
	fmt.Fprintln(output, "begun")
	if _, err := lines.ReadBytes('\n'); err != nil {
		return err
	}
	enough := before + int64(callsPerClient*len(clients))
	for limit := time.Now().Add(lengthenLimit); load.finished.Load() < enough && time.Now().Before(limit); {
		time.Sleep(lookEvery)
	}
	ended := time.Now()
	fmt.Fprintln(output, "ended")
	if _, err := lines.ReadBytes('\n'); err != nil {
		return err
	}
	load.stop()
	return json.NewEncoder(output).Encode(load.between(began, ended))
}

func (w job) clients() ([]client, func(), error) {
	made := make([]client, len(w.Users))
	finish := func() {}
	switch w.Target {
	case "service":
		for number := range w.Users {
			made[number] = newServiceClient(w.Address, w.Tokens[number])
		}
	case "stores":
		database, err := openDatabase(w.DatabaseURL, w.Connections)
		if err != nil {
			return nil, nil, err
		}
		finish = database.Close
		for number, userID := range w.Users {
			made[number] = &storesClient{
				connection: connection{address: w.Bucket.Address}, bucket: w.Bucket, database: database, userID: userID,
			}
		}
	case "files":
		opened, err := openFiles(w.Folder)
		if err != nil {
			return nil, nil, err
		}
		finish = opened.close
		for number, userID := range w.Users {
			made[number] = &filesClient{opened, userID, make(chan error, 1)}
		}
	default:
		return nil, nil, fmt.Errorf("unknown target %q", w.Target)
	}
	return made, func() {
		for _, one := range made {
			one.close()
		}
		finish()
	}, nil
}

// call is one finished call.
type call struct {
	ended time.Time
	took  time.Duration
	err   error
}

type load struct {
	job     job
	clients []client
	bodies  [][]byte
	calls   [][]call // per client
	due     chan time.Time
	over    chan struct{}
	running sync.WaitGroup
	first   sync.WaitGroup // each client's first call

	finished atomic.Int64 // calls of all clients
}

func newLoad(work job, clients []client) *load {
	made := &load{job: work, clients: clients, calls: make([][]call, len(clients)), over: make(chan struct{})}
	for range clients {
		body := make([]byte, work.Bytes)
		_, _ = rand.Read(body) // it never fails
		made.bodies = append(made.bodies, body)
	}
	return made
}

// start stores a backup for each user, begins the load, and returns when the load is steady.
func (l *load) start() error {
	failures := make(chan error, len(l.clients))
	for number := range l.clients {
		go func() { failures <- l.prepare(number) }()
	}
	for range l.clients {
		if err := <-failures; err != nil {
			return fmt.Errorf("before the measurement: %w", err)
		}
	}
	if l.job.PerSecond > 0 {
		l.due = make(chan time.Time, queueCalls)
		go l.schedule()
	} else {
		l.first.Add(len(l.clients))
	}
	l.running.Add(len(l.clients))
	for number := range l.clients {
		go l.work(number)
	}
	steady := make(chan struct{})
	go func() { l.first.Wait(); close(steady) }()
	time.Sleep(warmUp)
	select {
	case <-steady:
	case <-time.After(warmUpLimit):
	}
	return nil
}

func (l *load) prepare(number int) error {
	if err := l.clients[number].learn(); err != nil {
		return err
	}
	return l.clients[number].upload(l.body(number, 0))
}

// body differs from call to call, so that no call is taken for the repetition of an earlier one.
func (l *load) body(number, count int) []byte {
	body := l.bodies[number]
	binary.LittleEndian.PutUint64(body, uint64(count)+binary.LittleEndian.Uint64(body))
	return body
}

// schedule says when calls are due in an open loop, at random (a Poisson process), whatever became of earlier calls.
func (l *load) schedule() {
	source := mathrand.New(mathrand.NewPCG(1, 2))
	due := time.Now()
	for {
		due = due.Add(time.Duration(source.ExpFloat64() / l.job.PerSecond * float64(time.Second)))
		time.Sleep(time.Until(due))
		select {
		case l.due <- due:
		case <-l.over:
			return
		}
	}
}

// work makes calls until the end. In an open loop the time of a call counts from when it was due.
func (l *load) work(number int) {
	defer l.running.Done()
	for count := 1; ; count++ {
		began := time.Now()
		if l.due == nil {
			select {
			case <-l.over:
				return
			default:
			}
		} else {
			select {
			case <-l.over:
				return
			case began = <-l.due:
			}
		}
		err := l.one(number, count)
		ended := time.Now()
		l.calls[number] = append(l.calls[number], call{ended, ended.Sub(began), err})
		l.finished.Add(1)
		if count == 1 && l.due == nil {
			l.first.Done()
		}
		if err != nil {
			time.Sleep(pauseAfterError)
			_ = l.clients[number].learn() // the next call tells if this fails, too
		}
	}
}

func (l *load) one(number, count int) error {
	uploads := l.job.Call == "upload" || l.job.Call == "mix" && (number+count)%2 == 0
	if uploads {
		return l.clients[number].upload(l.body(number, count))
	}
	return l.clients[number].download(l.job.Bytes)
}

func (l *load) stop() {
	close(l.over)
	l.running.Wait()
}

func (l *load) between(began, ended time.Time) result {
	found := result{Seconds: ended.Sub(began).Seconds(), Microseconds: []int64{}, Errors: map[string]int{}}
	for _, calls := range l.calls {
		for _, one := range calls {
			switch {
			case !one.ended.After(began) || one.ended.After(ended):
			case one.err != nil:
				found.Errors[kind(one.err)]++
			default:
				found.Microseconds = append(found.Microseconds, one.took.Microseconds())
			}
		}
	}
	return found
}

// kind keeps addresses and ports out of an error's text, so that equal errors are counted together.
func kind(err error) string {
	var failed *net.OpError
	if errors.As(err, &failed) {
		return failed.Op + ": " + failed.Err.Error()
	}
	return err.Error()
}
