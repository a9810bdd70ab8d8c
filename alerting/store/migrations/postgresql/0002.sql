-- How far each key group of the job has come, as its audit log says.
CREATE TABLE job_progress (
    part BIGINT PRIMARY KEY,
    parts BIGINT NOT NULL,
    run TEXT NOT NULL,
    shape TEXT NOT NULL,
    watermark BIGINT NOT NULL
);
