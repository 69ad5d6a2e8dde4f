package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite"
)

const batchRows = 256

// files keeps blobs as the embedded stores do: a synced file, renamed into a synced folder, then a row in SQLite.
type files struct {
	root     string
	database *sql.DB
	writes   chan write
}

type write struct {
	userID string
	size   int
	saved  chan error
}

func openFiles(root string) (*files, error) {
	if err := os.MkdirAll(filepath.Join(root, "incoming"), 0o700); err != nil {
		return nil, err
	}
	for shard := range 256 {
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprintf("%02x", shard)), 0o700); err != nil {
			return nil, err
		}
	}
	database, err := sql.Open("sqlite", filepath.Join(root, "rows.sqlite")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	database.SetMaxOpenConns(1)
	_, err = database.Exec("CREATE TABLE IF NOT EXISTS floor (user_id TEXT PRIMARY KEY, version INTEGER NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID")
	if err != nil {
		database.Close()
		return nil, err
	}
	opened := &files{root, database, make(chan write, batchRows)}
	go opened.writeBatches()
	return opened, nil
}

func (f *files) close() {
	close(f.writes)
	f.database.Close()
}

// writeBatches commits the rows that wait as one transaction, because a sync costs the same for one row as for many.
func (f *files) writeBatches() {
	for first := range f.writes {
		batch := []write{first}
		for len(batch) < batchRows && len(f.writes) > 0 {
			batch = append(batch, <-f.writes)
		}
		err := f.commit(batch)
		for _, waiting := range batch {
			waiting.saved <- err
		}
	}
}

func (f *files) commit(batch []write) error {
	transaction, err := f.database.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = transaction.Rollback() }() // after a commit it does nothing
	for _, row := range batch {
		if _, err := transaction.Exec("INSERT INTO floor VALUES (?, 1, ?) ON CONFLICT (user_id) DO UPDATE SET "+
			"version = floor.version + 1, size = excluded.size", row.userID, row.size); err != nil {
			return err
		}
	}
	return transaction.Commit()
}

type filesClient struct {
	files  *files
	userID string
	saved  chan error
}

func (c *filesClient) learn() error { return nil }

func (c *filesClient) upload(body []byte) error {
	incoming := filepath.Join(c.files.root, "incoming", c.userID)
	folder := filepath.Join(c.files.root, c.userID[:2])
	file, err := os.OpenFile(incoming, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err = file.Write(body); err != nil {
		return err
	}
	if err = unix.Fdatasync(int(file.Fd())); err != nil {
		return err
	}
	if err = os.Rename(incoming, filepath.Join(folder, c.userID)); err != nil {
		return err
	}
	if err = syncFolder(folder); err != nil {
		return err
	}
	c.files.writes <- write{c.userID, len(body), c.saved}
	return <-c.saved
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func (c *filesClient) download(size int) error {
	data, err := os.ReadFile(filepath.Join(c.files.root, c.userID[:2], c.userID))
	if err == nil && len(data) != size {
		return fmt.Errorf("%d bytes instead of %d", len(data), size)
	}
	return err
}

func (c *filesClient) close() {}
