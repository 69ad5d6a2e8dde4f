package main

import (
	"fmt"
	"net/http"
)

// serviceClient is one user of the service, or of the bare Litestar route, on one connection.
type serviceClient struct {
	connection connection
	head       string
	etag       string
}

func newServiceClient(address, token string) *serviceClient {
	return &serviceClient{
		connection: connection{address: address},
		head:       " /v1/backup HTTP/1.1\r\nHost: " + address + "\r\nAuthorization: Bearer " + token + "\r\n",
	}
}

func (c *serviceClient) learn() error {
	found, err := c.connection.call("HEAD", "HEAD"+c.head+"\r\n", nil)
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
	return nil
}

func (c *serviceClient) upload(body []byte) error {
	condition := ""
	if c.etag != "" {
		condition = "If-Match: " + c.etag + "\r\n"
	}
	head := fmt.Sprintf("POST%s%sContent-Length: %d\r\n\r\n", c.head, condition, len(body))
	stored, err := c.connection.call("POST", head, body)
	if err = requireOK(stored, err); err == nil {
		c.etag = stored.etag
	}
	return err
}

func (c *serviceClient) download(size int) error {
	found, err := c.connection.call("GET", "GET"+c.head+"\r\n", nil)
	return requireBody(found, err, size)
}

func (c *serviceClient) close() { c.connection.close() }
