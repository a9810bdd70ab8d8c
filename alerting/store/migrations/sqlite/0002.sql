-- How far each key group of the job has come, as its audit log says.
CREATE TABLE job_progress (
    part INTEGER PRIMARY KEY,
    parts INTEGER NOT NULL,
    run TEXT NOT NULL,
    shape TEXT NOT NULL,
    watermark INTEGER NOT NULL
);
