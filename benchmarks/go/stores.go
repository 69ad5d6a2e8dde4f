package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The columns of the service's own table, in a table of our own.
const (
	createTable = `CREATE TABLE IF NOT EXISTS floor (
user_id uuid PRIMARY KEY, version bigint NOT NULL, base bigint NOT NULL, kind text NOT NULL, sha256 bytea NOT NULL,
size bigint NOT NULL, upload_id text NOT NULL, updated_at timestamptz NOT NULL, tag text NOT NULL) WITH (fillfactor = 80)`
	lockRow = `SELECT version, base, kind, sha256, size, upload_id, updated_at, tag FROM floor WHERE user_id = $1 FOR UPDATE`
	saveRow = `INSERT INTO floor (user_id, version, base, kind, sha256, size, upload_id, updated_at, tag)
VALUES ($1, $2, $3, 'live', $4, $5, $6, $7, $8) ON CONFLICT (user_id) DO UPDATE SET
(version, base, kind, sha256, size, upload_id, updated_at, tag) = (excluded.version, excluded.base, excluded.kind,
excluded.sha256, excluded.size, excluded.upload_id, excluded.updated_at, excluded.tag)
WHERE excluded.version >= floor.version`
)

// storesClient does for one user what the service does for an upload or a download: one conditional PUT within one
// locking transaction, or one GET. Nothing stands between it and the stores.
type storesClient struct {
	connection connection
	bucket     bucket
	database   *pgxpool.Pool
	userID     string
	etag       string
	version    int64
}

func openDatabase(url string, connections int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(connections)
	database, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	if _, err = database.Exec(context.Background(), createTable); err != nil {
		database.Close()
		return nil, err
	}
	return database, nil
}

func (c *storesClient) key() string { return "floor/" + c.userID }

func (c *storesClient) learn() error {
	head := c.bucket.head("HEAD", c.key(), emptySHA256, nil, time.Now()) + "\r\n"
	found, err := c.connection.call("HEAD", head, nil)
	switch {
	case err != nil:
		return err
	case found.status == http.StatusOK:
		c.etag = found.etag
	case found.status == http.StatusNotFound:
		c.etag = ""
	default:
		return fmt.Errorf("status %d", found.status)
	}
	row := c.database.QueryRow(context.Background(), "SELECT coalesce(max(version), 0) FROM floor WHERE user_id = $1", c.userID)
	return row.Scan(&c.version)
}

func (c *storesClient) upload(body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	session, err := c.database.Acquire(ctx)
	if err != nil {
		return err
	}
	defer session.Release()
	var lock pgx.Batch
	lock.Queue("BEGIN")
	lock.Queue(lockRow, c.userID)
	if err := session.SendBatch(ctx, &lock).Close(); err != nil {
		return err
	}
	digest := sha256.Sum256(body)
	now := time.Now().UTC()
	uploadID := hex.EncodeToString(digest[:16])
	if err := c.put(body, digest, uploadID, now); err != nil {
		_, _ = session.Exec(ctx, "ROLLBACK") // the error of the PUT says more
		return err
	}
	var save pgx.Batch
	save.Queue(saveRow, c.userID, c.version+1, c.version, digest[:], len(body), uploadID, now, c.etag)
	save.Queue("COMMIT")
	if err := session.SendBatch(ctx, &save).Close(); err != nil {
		return err
	}
	c.version++
	return nil
}

func (c *storesClient) put(body []byte, digest [32]byte, uploadID string, now time.Time) error {
	headers := map[string]string{
		"content-length":        strconv.Itoa(len(body)),
		"content-type":          "application/octet-stream",
		"x-amz-meta-version":    strconv.FormatInt(c.version+1, 10),
		"x-amz-meta-base":       strconv.FormatInt(c.version, 10),
		"x-amz-meta-kind":       "live",
		"x-amz-meta-sha256":     hex.EncodeToString(digest[:]),
		"x-amz-meta-upload-id":  uploadID,
		"x-amz-meta-updated-at": now.Format(time.RFC3339Nano),
	}
	if c.etag == "" {
		headers["if-none-match"] = "*"
	} else {
		headers["if-match"] = c.etag
	}
	head := c.bucket.head("PUT", c.key(), hex.EncodeToString(digest[:]), headers, now) + "\r\n"
	stored, err := c.connection.call("PUT", head, body)
	if err = requireOK(stored, err); err == nil {
		c.etag = stored.etag
	}
	return err
}

func (c *storesClient) download(size int) error {
	head := c.bucket.head("GET", c.key(), emptySHA256, nil, time.Now()) + "\r\n"
	found, err := c.connection.call("GET", head, nil)
	return requireBody(found, err, size)
}

func (c *storesClient) close() { c.connection.close() }
